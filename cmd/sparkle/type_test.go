package main_test

import (
	"context"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/internal/cli/clitest"
	"sparkle/tasks"
)

func TestTypesThatWorkersAnnounced(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if got := f.run(t, "type", "ls"); got.Code != 0 || got.Out != "" {
		t.Errorf("type ls of none = %+v, want words alone", got)
	}
	if err := f.Client.Announce(t.Context(), types(f.Client, nil), "1.0.0"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"type", "ls"}, {"type", "show", "ok"}} {
		for _, format := range formats() {
			got := f.run(t, append(args, "-o", format)...)
			if got.Code != 0 {
				t.Errorf("%q -o %s: exit %d, want 0: %s", args, format, got.Code, got.Err)
			}
			clitest.Golden(t, strings.Join(args, "-")+"."+format, got.Out)
		}
	}
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"type", "show", "nobodys"}, 3, "no worker has announced type nobodys"},
		{[]string{"type", "show", "ok", "ffffffffffffffff0"}, 3, "no worker has announced type ok ffffffffffffffff0"},
		{[]string{"type", "show", "a.b"}, 2, `"a.b" is not a type`},
		{[]string{"type", "rm", "ok"}, 2, "needs --force where no terminal is"},
		{[]string{"type", "rm", "ok", "--dry-run"}, 0, "would remove 1 versions of ok"},
		{[]string{"type", "rm", "ok", "-f"}, 0, "removed 1 versions of ok"},
		{[]string{"type", "rm", "ok", "-f"}, 3, "no worker has announced type ok"},
	} {
		got := f.run(t, row.args...)
		if got.Code != row.code || !strings.Contains(got.Err, row.want) {
			t.Errorf("%q: exit %d, %q; want %d and %q", row.args, got.Code, got.Err, row.code, row.want)
		}
	}
}

// What a message does not carry itself is shown all the same, or why it cannot be.
func TestLargePayloadsAndResultsAreShown(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	raw := make([]byte, 300<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(raw) // never fails
	text := base64.StdEncoding.EncodeToString(raw)
	f.publish(t, tasks.Task{Type: "large", ID: "large", Payload: []byte(`"` + text + `"`)})
	f.publish(t, tasks.Task{Type: "refused", ID: "refused", Payload: []byte(`"` + text + `"`)})
	r := types(f.Client, nil)
	tasks.Handle(r, tasks.Type[string, string]{Name: "large"}, func(_ context.Context, in string) (string, error) { return in, nil })
	tasks.Handle(r, tasks.Type[ping, ping]{Name: "refused"}, func(_ context.Context, in ping) (ping, error) { return in, nil })
	f.work(t, r)
	f.settle(t, "large", tasks.Succeeded)
	f.settle(t, "refused", tasks.Dead)
	for _, args := range [][]string{
		{"task", "show", "large"}, {"task", "await", "large"}, {"task", "result", "large"}, {"dead", "show", "refused"},
	} {
		if got := f.run(t, append(args, "-o", "json")...); got.Code != 0 || !strings.Contains(got.Out, text) {
			t.Errorf("%q: exit %d with %d bytes, want all of it: %s", args, got.Code, len(got.Out), got.Err)
		}
	}
	for _, args := range [][]string{{"task", "ls"}, {"task", "tail", "large"}} {
		if got := f.run(t, append(args, "-o", "json")...); got.Code != 0 || len(got.Out) > 10<<10 || !strings.Contains(got.Out, `"blob"`) {
			t.Errorf("%q: exit %d with %d bytes, want where the result is, not the result", args, got.Code, len(got.Out))
		}
	}
	js, err := jetstream.New(f.Conn)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := js.Stream(t.Context(), "OBJ_SPARKLE_BLOBS")
	if err == nil {
		err = blobs.Purge(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args []string
		code int
	}{{[]string{"task", "show", "large"}, 0}, {[]string{"dead", "show", "refused"}, 0}, {[]string{"task", "result", "large"}, 1}, {[]string{"task", "await", "large"}, 1}} {
		got := f.run(t, row.args...)
		if all := got.Out + got.Err; got.Code != row.code || !strings.Contains(all, "is gone") || strings.Contains(all, text) {
			t.Errorf("%q: exit %d and %s, want %d and that the blob is gone", row.args, got.Code, all, row.code)
		}
	}
}
