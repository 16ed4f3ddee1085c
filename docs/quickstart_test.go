package docs_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// The lines of the README's quick start work in their order, against a consumer
// that is started as `make dev` starts it, but for its ports and its store.
func TestQuickStartWorksAsWritten(t *testing.T) {
	t.Parallel()
	url := startDev(t)
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ran := 0
	for _, block := range readPage(t, "README.md").blocks("sh") {
		for line := range strings.Lines(block) {
			words := shellWords(strings.TrimSpace(line))
			switch words[0] {
			case "publisher", "sparkle":
				ran++
				command := exec.CommandContext(t.Context(), binary(t, words[0]), words[1:]...)
				command.Env = append(os.Environ(), "SPARKLE_NATS_URL="+url)
				out, err := command.CombinedOutput()
				if err != nil || !bytes.Contains(out, []byte("succe")) {
					t.Errorf("%s: %v\n%s", line, err, out)
				}
			case "nats":
				ran++
				stored(t, nc, plainMessage(t, strings.TrimSpace(line)))
			}
		}
	}
	if ran != 4 {
		t.Errorf("%d lines ran, want 4", ran)
	}
}

// StartDev runs a consumer until the test ends and returns its server's URL.
func startDev(t *testing.T) string {
	t.Helper()
	command := exec.Command(binary(t, "consumer"), "--dev", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", t.TempDir())
	words, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		found := regexp.MustCompile(`^listening: .*nats=(\S+)`)
		for lines := bufio.NewScanner(words); lines.Scan(); {
			if match := found.FindStringSubmatch(lines.Text()); match != nil {
				listening <- match[1]
			}
		}
	}()
	t.Cleanup(func() {
		if err := command.Process.Signal(os.Interrupt); err != nil {
			t.Errorf("stop the consumer: %v", err)
		}
		<-ended
		if err := command.Wait(); err != nil {
			t.Errorf("the consumer ends with %v, want nil", err)
		}
	})
	select {
	case url := <-listening:
		return url
	case <-ended:
	case <-time.After(30 * time.Second):
	}
	t.Fatal("the consumer does not listen")
	return ""
}
