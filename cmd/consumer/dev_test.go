package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	consumer "sparkle/cmd/consumer"
	"sparkle/internal/cli/clitest"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

func TestDevRunsEverythingInOneProcess(t *testing.T) {
	p := dev(t, nil, "--name", "w1")
	clitest.Contains(t, p.words.String(), "Sparkle runs, everything in this process", "NATS server  "+p.url, "worker       w1 with 10 slots",
		"types        nap record_token_usage rerank_documents", "publisher --nats-url "+p.url+" rerank_documents '{", "sparkle --nats-url "+p.url+" task ls")
	c := client(t, p.url)
	publish(t, c, "a")
	result, err := c.Await(t.Context(), "a", "")
	if err != nil || string(result.Result) != `"rested"` {
		t.Errorf("result is %s (%v), want rested", result.Result, err)
	}
	workers, err := c.Workers(t.Context(), 300*time.Millisecond)
	if err != nil || len(workers) != 1 || workers[0].Name != "w1" {
		t.Errorf("workers are %+v (%v), want w1", workers, err)
	}
	for path, want := range map[string]string{
		"/": "Sparkle consumer", "/healthz": "alive", "/metrics": `sparkle_task_started_total{priority="default",type="nap"} 1`,
	} {
		if code, body := get(t, p.http+path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("GET %s = %d %s, want 200 with %s", path, code, body, want)
		}
	}
	_, metrics := get(t, p.http+"/metrics")
	clitest.Contains(t, metrics, "go_goroutines ", "process_start_time_seconds ")
	clitest.Eventually(t, "it is ready", func() bool { code, _ := get(t, p.http+"/readyz"); return code == 200 })
	if code := p.end(t); code != 0 {
		t.Errorf("exit %d, want 0: %s", code, p.words.String())
	}
}

func TestDrainAwaitsWhatRunsAndIsNotReadyMeanwhile(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	p := dev(t, release)
	c := client(t, p.url)
	publish(t, c, "a")
	settle(t, c, "a", tasks.Running)
	p.stop()
	clitest.Eventually(t, "it drains", func() bool {
		_, body := get(t, p.http+"/readyz")
		return strings.Contains(body, `"draining":"the process is stopping"`)
	})
	clitest.Contains(t, p.words.String(), "draining: 1 running, which have 30s; a second signal quits at once")
	if code, _ := get(t, p.http+"/healthz"); code != 200 {
		t.Errorf("GET /healthz = %d while it drains, want 200", code)
	}
	close(release)
	settle(t, c, "a", tasks.Succeeded)
	if code := p.end(t); code != 0 {
		t.Errorf("exit %d, want 0: %s", code, p.words.String())
	}
}

func TestStoreOutlivesTheProcess(t *testing.T) {
	store := t.TempDir()
	p := start(t, nil, nil, "--dev", "--listen", "127.0.0.1:0", "--store", store, "--priorities", "high")
	publish(t, client(t, p.url), "a")
	if code := p.end(t); code != 0 {
		t.Fatalf("exit %d: %s", code, p.words.String())
	}
	again := start(t, nil, nil, "--dev", "--listen", "127.0.0.1:0", "--store", store)
	settle(t, client(t, again.url), "a", tasks.Succeeded)
}

func TestWhatOutlastsTheGraceIsHandedBack(t *testing.T) {
	t.Parallel()
	s := streamstest.New(t, streamstest.Options{Listen: "127.0.0.1:0"})
	p := start(t, make(chan struct{}), nil, "--nats-url", s.URL(), "--grace", "0s")
	publish(t, s.Client, "held")
	settle(t, s.Client, "held", tasks.Running)
	if code := p.end(t); code != 0 {
		t.Fatalf("exit %d: %s", code, p.words.String())
	}
	settle(t, s.Client, "held", tasks.Returned)
	start(t, nil, nil, "--nats-url", s.URL())
	settle(t, s.Client, "held", tasks.Succeeded)
	info, err := s.Client.Task(t.Context(), "held")
	if err != nil || len(info.Attempts) != 2 || info.Attempts[0].Outcome != tasks.Returned || info.Attempts[1].Attempt != 1 || info.Lost != 0 {
		t.Errorf("task is %+v (%v), want it returned, then done in attempt 1 without a lost lease", info, err)
	}
}

func TestConsumerWorksOverTheNetwork(t *testing.T) {
	t.Parallel()
	s := streamstest.New(t, streamstest.Options{Listen: "127.0.0.1:0"})
	p := start(t, nil, map[string]string{"SPARKLE_NATS_URL": s.URL(), "SPARKLE_POOLS": "main,gpu", "SPARKLE_NAMESPACE": "fresh"})
	clitest.Contains(t, p.words.String(), `INF topology change="stream FRESH_TASKS created"`, `consumer low-gpu created`)
	clitest.Eventually(t, "it is ready", func() bool { code, _ := get(t, p.http+"/readyz"); return code == 200 })
	_ = s.Close()
	clitest.Eventually(t, "it is not ready", func() bool {
		code, body := get(t, p.http+"/readyz")
		return code == 503 && strings.Contains(body, `"nats":"connection is`)
	})
	if code, _ := get(t, p.http+"/healthz"); code != 200 {
		t.Errorf("GET /healthz = %d without a server, want 200", code)
	}
}

func TestLogsAreJSONOnRequest(t *testing.T) {
	p := &process{ended: make(chan int, 1)}
	std := clitest.Std(clitest.Input{Args: []string{
		"--dev", "--listen", "off", "--http", "off", "--store", t.TempDir(), "--log-format", "json", "--log-level", "warn",
	}}, io.Discard, &p.words)
	ctx, stop := context.WithCancel(t.Context())
	go func() { p.ended <- consumer.Run(ctx, std) }()
	clitest.Eventually(t, "it listens", func() bool { return strings.Contains(p.words.String(), `"message":"listening"`) })
	stop()
	if code := <-p.ended; code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	for line := range strings.Lines(p.words.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("line is no JSON: %s", line)
		}
	}
	clitest.Contains(t, p.words.String(), `"http":"off","nats":"off"`, `"message":"draining"`)
}

func TestTokensOpenWhatOtherMachinesReach(t *testing.T) {
	p := dev(t, nil, "--http", "127.0.0.1:0", "--http-token", "s3cret", "--listen-token", "t0ken")
	if code, _ := get(t, p.http+"/metrics"); code != 401 {
		t.Errorf("GET /metrics = %d without the token, want 401", code)
	}
	with := func(r *http.Request) { r.Header.Set("Authorization", "Bearer s3cret") }
	if code, _ := get(t, p.http+"/metrics", with); code != 200 {
		t.Errorf("GET /metrics = %d with the token, want 200", code)
	}
	c := client(t, strings.Replace(p.url, "nats://", "nats://t0ken@", 1))
	publish(t, c, "a")
	settle(t, c, "a", tasks.Succeeded)
	for _, secret := range []string{"s3cret", "t0ken"} {
		if strings.Contains(p.words.String(), secret) {
			t.Errorf("a secret is in the words: %s", p.words.String())
		}
	}
}

func TestPortInUseIsTold(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	used := listener.Addr().String()
	for name, args := range map[string][]string{
		"http":   {"--dev", "--http", used},
		"listen": {"--dev", "--http", "off", "--listen", used, "--store", t.TempDir()},
	} {
		got := clitest.Run(t, consumer.Run, clitest.Input{Args: args})
		if got.Code != 1 {
			t.Errorf("%s: exit %d, want 1", name, got.Code)
		}
		clitest.Contains(t, got.Err, used, "in use", "port 0 is a free one")
	}
}

func TestStoreInUseIsTold(t *testing.T) {
	store := t.TempDir()
	start(t, nil, nil, "--dev", "--listen", "127.0.0.1:0", "--store", store)
	got := clitest.Run(t, consumer.Run, clitest.Input{Args: []string{"--dev", "--http", "off", "--listen", "off", "--store", store}})
	if got.Code != 1 {
		t.Errorf("exit %d, want 1", got.Code)
	}
	clitest.Contains(t, got.Err, "lock store "+store, "hint: ", "another --listen (port 0 is a free one) or --store")
}
