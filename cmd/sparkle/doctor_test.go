package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	sparkle "sparkle/cmd/sparkle"
	"sparkle/embedded"
	"sparkle/internal/cli/clitest"
	"sparkle/streams"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

type finding struct{ Name, Status, Detail, Advice string }

// Examine runs the doctor and returns its findings by name.
func (f fleet) examine(t *testing.T, args ...string) (map[string]finding, clitest.Result) {
	t.Helper()
	got := f.run(t, append([]string{"doctor", "--wait", "1s", "-o", "json"}, args...)...)
	return findings(t, got), got
}

func findings(t *testing.T, got clitest.Result) map[string]finding {
	t.Helper()
	var list []finding
	if err := json.Unmarshal([]byte(got.Out), &list); err != nil {
		t.Fatalf("doctor printed no list: %v\n%s%s", err, got.Out, got.Err)
	}
	found := map[string]finding{}
	for _, one := range list {
		found[one.Name] = one
		if broken := one.Status == "fail" || one.Status == "warn"; broken && one.Advice == "" {
			t.Errorf("%+v: nothing is said of what to do", one)
		}
	}
	return found
}

// Staff runs a worker with a mover, as a consumer does.
func (f fleet) staff(t *testing.T) {
	t.Helper()
	f.work(t, types(f.Client, nil))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- streams.NewMover(f.Client, streams.MoverOptions{}).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("mover ended with %v", err)
		}
	})
	clitest.Eventually(t, "the fleet is up", func() bool {
		workers, err := f.Client.Workers(t.Context(), 50*time.Millisecond)
		facts, moverErr := streams.NewCheckup(f.Client, streams.CheckupOptions{}).Mover(t.Context())
		return err == nil && len(workers) == 1 && moverErr == nil && facts.Pulls > 0 && !facts.Swept.IsZero()
	})
}

func TestDoctorFindsNothingWrongWithASoundFleet(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.staff(t)
	metrics := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, "# HELP\nsparkle_worker_slots 10\n")
	}))
	t.Cleanup(metrics.Close)
	found, got := f.examine(t, "--metrics-url", metrics.URL, "--metrics-token", "secret")
	for name, one := range found {
		if one.Status != "ok" {
			t.Errorf("check %s: %+v, want ok", name, one)
		}
	}
	if got.Code != 0 || len(found) < 12 || !strings.Contains(found["pool main"].Detail, "a probe ran through high-main on w1") {
		t.Errorf("exit %d with %+v, want 0 and every check: %s", got.Code, found, got.Err)
	}
	found, got = f.examine(t, "--metrics-url", metrics.URL)
	if one := found["metrics"]; got.Code != 1 || one.Status != "fail" || !strings.Contains(one.Detail, "401") {
		t.Errorf("exit %d, metrics %+v; want them to fail without the token", got.Code, one)
	}
}

func TestDoctorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	got := f.run(t, "doctor", "--wait", "3s")
	clitest.Contains(t, got.Out, "CHECK ", "workers ", "none answers", "\nwhat to do\n", "  workers: start one with: consumer\n", "nobody buries what the server gives up")
	clitest.Contains(t, got.Err, "checks failed: workers, mover, sweep")
	if got.Code != 1 {
		t.Errorf("exit %d, want 1", got.Code)
	}
}

func TestDoctorOfAnAbsentServerIsAListToo(t *testing.T) {
	t.Parallel()
	got := clitest.Run(t, run, clitest.Input{Args: []string{"doctor", "-o", "json", "--nats-url", "nats://127.0.0.1:1", "--connect-wait", "10ms"}})
	one := findings(t, got)["server"]
	if got.Code != 1 || one.Status != "fail" || !strings.Contains(one.Detail, "no server answers there") {
		t.Errorf("exit %d with server %+v, want 1 and that it fails", got.Code, one)
	}
}

// On a server with nothing the doctor names what is missing, and mends it.
func TestDoctorPutsTheTopologyInPlace(t *testing.T) {
	t.Parallel()
	server, err := embedded.New(embedded.Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	f := fleet{Server: &streamstest.Server{Server: server}}
	found, got := f.examine(t)
	if one := found["topology"]; got.Code != 1 || one.Status != "fail" || !strings.Contains(one.Detail, "11 objects are missing") {
		t.Errorf("exit %d with topology %+v, want it missing", got.Code, one)
	}
	found, got = f.examine(t, "--fix")
	if one := found["topology"]; one.Status != "ok" || !strings.Contains(got.Err, "fixed: stream SPARKLE_TASKS created") {
		t.Errorf("after --fix: topology %+v, want it in place, and said: %s", one, got.Err)
	}
	if one := found["schedules"]; one.Status != "ok" {
		t.Errorf("after --fix: schedules %+v, want them to work without a worker", one)
	}
}

// Each row makes one fault; the check names it, and where it can be mended
// without a loss --fix mends it.
func TestDoctorNamesTheFault(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		fault         func(*testing.T, fleet)
		check, status string
		detail        string
		fixed         bool
	}{
		"a limit that drops tasks": {func(t *testing.T, f fleet) {
			f.edit(t, "SPARKLE_TASKS", func(c *jetstream.StreamConfig) { c.MaxMsgs = 1000 })
		}, "streams", "fail", "SPARKLE_TASKS has a limit and drops its oldest tasks", true},
		"a stream without room": {func(t *testing.T, f fleet) {
			publishRaw(t, f, "sparkle.dead.high.main.ok.x", "{}")
			f.edit(t, "SPARKLE_DEAD", func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = 1, jetstream.DiscardNew })
		}, "streams", "fail", "SPARKLE_DEAD is full and refuses", false},
		"a shorter memory": {func(t *testing.T, f fleet) {
			f.edit(t, "SPARKLE_EVENTS", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
		}, "topology", "warn", "MaxAge: 1h0m0s → 168h0m0s", true},
		"a deleted consumer": {func(t *testing.T, f fleet) {
			if err := f.js(t).DeleteConsumer(t.Context(), "SPARKLE_ADVISORIES", "mover"); err != nil {
				t.Fatal(err)
			}
		}, "topology", "fail", "consumer mover created", true},
		"a type that no worker has": {func(t *testing.T, f fleet) {
			f.publish(t, tasks.Task{Type: "strange", ID: "s"})
			f.settle(t, "s", tasks.Parked)
		}, "unknown types", "warn", "no worker for: strange (1)", false},
		"a message that nothing will run": {func(t *testing.T, f fleet) {
			publishRaw(t, f, "sparkle.tasks.later.high.main.ok.lost", `{"n":1}`)
		}, "unscheduled", "fail", "lost (ok, sequence 1)", false},
		"a pool without a worker": {func(t *testing.T, f fleet) {
			f.publish(t, tasks.Task{Type: "ok", Pool: "gpu"})
		}, "unserved", "fail", "gpu (1)", false},
		"a paused queue": {func(t *testing.T, f fleet) {
			if _, err := f.js(t).PauseConsumer(t.Context(), "SPARKLE_TASKS", "low-main", time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}, "queue low-main", "warn", "paused for another 59m", false},
		"dead letters": {func(t *testing.T, f fleet) {
			f.publish(t, tasks.Task{Type: "bad", ID: "b"})
			f.settle(t, "b", tasks.Dead)
		}, "dead letters", "warn", "permanent (1)", false},
		"busy workers": {func(t *testing.T, f fleet) {
			for i := range 10 {
				f.publish(t, tasks.Task{Type: "slow", ID: fmt.Sprintf("slow-%d", i)})
			}
			f.settle(t, "slow-9", tasks.Running)
		}, "pool main", "warn", "no slot was free within 1s", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.staff(t)
			row.fault(t, f)
			found, got := f.examine(t)
			if one := found[row.check]; one.Status != row.status || !strings.Contains(one.Detail, row.detail) {
				t.Errorf("%s: %+v, want %s with %q\n%s%s", row.check, one, row.status, row.detail, got.Out, got.Err)
			}
			if want := map[string]int{"fail": 1, "warn": 0}[row.status]; got.Code != want && name != "a stream without room" {
				t.Errorf("exit %d, want %d: %s", got.Code, want, got.Err)
			}
			if !row.fixed {
				return
			}
			found, got = f.examine(t, "--fix")
			if one := found[row.check]; one.Status != "ok" || !strings.Contains(got.Err, "fixed: ") {
				t.Errorf("after --fix: %+v, want ok, and what was fixed: %s", one, got.Err)
			}
		})
	}
}

func (f fleet) js(t *testing.T) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(f.Conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func (f fleet) edit(t *testing.T, name string, edit func(*jetstream.StreamConfig)) {
	t.Helper()
	stream, err := f.js(t).Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	edit(&config)
	if _, err := f.js(t).UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

func publishRaw(t *testing.T, f fleet, subject, body string) {
	t.Helper()
	if _, err := f.js(t).Publish(t.Context(), subject, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

// What the server gave up while no mover ran is buried by --fix.
func TestDoctorBuriesOrphans(t *testing.T) {
	t.Parallel()
	s := streamstest.New(t, streamstest.Options{Listen: "127.0.0.1:0", Topology: streams.Topology{AckWait: 100 * time.Millisecond, MaxDeliver: 1}})
	f := fleet{s, streams.NewPublisher(s.Client, streams.PublisherOptions{})}
	f.publish(t, tasks.Task{Type: "ok", ID: "gone"})
	consumer, err := f.js(t).Consumer(t.Context(), "SPARKLE_TASKS", "default-main")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := consumer.Next(); err != nil { // and never acknowledge it
		t.Fatal(err)
	}
	clitest.Eventually(t, "the server has given it up", func() bool {
		_, err := consumer.FetchNoWait(1) // only with a pull open
		info, infoErr := consumer.Info(t.Context())
		return errors.Join(err, infoErr) == nil && info.NumAckPending == 0
	})
	found, got := f.examine(t)
	if one := found["orphans"]; got.Code != 1 || one.Status != "fail" || !strings.Contains(one.Detail, "gone (ok, sequence 1)") {
		t.Errorf("exit %d with orphans %+v, want it named", got.Code, one)
	}
	found, got = f.examine(t, "--fix")
	if _, still := found["orphans"]; still || !strings.Contains(got.Err, "fixed: buried a task that the server gave up: ") {
		t.Errorf("after --fix: %+v, want no orphan: %s", found["orphans"], got.Err)
	}
	f.settle(t, "gone", tasks.Dead)
	clitest.Contains(t, f.run(t, "dead", "show", "gone").Out, "lease lost", "lost       1 lease")
}

func TestOldServersAreTold(t *testing.T) {
	for version, want := range map[string]bool{
		"2.14.0": true, "2.15.2": true, "3.0.0-beta.1": true, "v2.14.9": true, "2.13.9": false, "2.9.25": false, "1.4.1": false, "dev": true, "": true,
	} {
		if got := sparkle.Recent(version); got != want {
			t.Errorf("Recent(%q) = %v, want %v", version, got, want)
		}
	}
}
