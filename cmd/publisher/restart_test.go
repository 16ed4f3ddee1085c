package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	publisher "sparkle/cmd/publisher"
	"sparkle/internal/cli/clitest"
	"sparkle/streams/streamstest"
)

// The server goes away in the middle of a file and comes back: each line is
// published once.
func TestAFileOutlastsARestartOfTheServer(t *testing.T) {
	store := t.TempDir()
	f := fleet{streamstest.New(t, streamstest.Options{Store: store, Listen: "127.0.0.1:0"})}
	url := f.URL()
	const n = 5_000
	var lines strings.Builder
	for i := range n {
		_, _ = fmt.Fprint(&lines, good)
		if i%2 == 0 {
			_, _ = fmt.Fprintf(&lines, `,"id":"k%d"`, i)
		}
		_, _ = fmt.Fprintln(&lines, "}")
	}
	var out, words clitest.Buffer
	std := clitest.Std(clitest.Input{Args: []string{"--jsonl", "-", "--nats-url", url, "-o", "name"}}, &out, &words)
	std.In = &interrupted{in: strings.NewReader(lines.String()), at: 3, do: func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		f = fleet{streamstest.New(t, streamstest.Options{Store: store, Listen: strings.TrimPrefix(url, "nats://")})}
	}}
	if code := publisher.Run(t.Context(), std); code != 0 {
		t.Fatalf("exit %d: %s", code, words.String())
	}
	ids := strings.Fields(out.String())
	slices.Sort(ids)
	if distinct := len(slices.Compact(ids)); distinct != n {
		t.Errorf("%d ids are printed, want %d", distinct, n)
	}
	for _, id := range ids {
		f.stored(t, id)
	}
	if info, err := f.tasks(t).Info(t.Context()); err != nil || info.State.Msgs != n {
		t.Errorf("%d tasks are stored (%v), want %d", info.State.Msgs, err, n)
	}
}
