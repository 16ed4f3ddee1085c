package cli_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sparkle/internal/cli"
	"sparkle/internal/cli/clitest"
	"sparkle/streams"
	"sparkle/tasks"
)

func TestEachErrorHasItsExitCodeAndSaysWhatToDo(t *testing.T) {
	failed := &streams.FailedError{Result: streams.Result{ID: "a", State: tasks.Dead, Reason: tasks.ReasonAttempts, Error: "no luck"}}
	for name, row := range map[string]struct {
		err  error
		want cli.Verdict
	}{
		"any error":         {errors.New("burnt"), cli.Verdict{Code: 1, Text: "burnt"}},
		"misuse":            {cli.Misuse("bad --%s", "flag"), cli.Verdict{Code: 2, Text: "bad --flag"}},
		"a refused field":   {fmt.Errorf("publish: %w", &tasks.InvalidError{Field: "id", Want: "short"}), cli.Verdict{Code: 2, Text: "publish: id: short"}},
		"not found":         {fmt.Errorf("task a: %w", streams.ErrNotFound), cli.Verdict{Code: 3, Text: "task a: task not found", Hint: "check the id and --namespace; events are kept for 7 days unless set otherwise"}},
		"no letter":         {fmt.Errorf("letter 7: %w", streams.ErrNoLetter), cli.Verdict{Code: 3, Text: "letter 7: no such dead letter", Hint: "it was replayed or removed meanwhile; sparkle dead ls shows what is there"}},
		"waiting":           {&streams.WaitingError{ID: "a", Run: "r"}, cli.Verdict{Code: 4, Text: "task a has not ended (run r)", Hint: "wait for it with: sparkle task await a; or choose another id"}},
		"waiting in memory": {tasks.ErrWaiting, cli.Verdict{Code: 4, Text: "a task of this id has not ended"}},
		"time-out":          {fmt.Errorf("await a: %w", context.DeadlineExceeded), cli.Verdict{Code: 5, Text: "await a: context deadline exceeded"}},
		"NATS time-out":     {nats.ErrTimeout, cli.Verdict{Code: 5, Text: "nats: timeout"}},
		"failed":            {failed, cli.Verdict{Code: 6, Text: "task a is dead (attempts): no luck", Hint: "its attempts: sparkle task show a"}},
		"full":              {streams.ErrFull, cli.Verdict{Code: 1, Text: streams.ErrFull.Error(), Hint: "start more consumers, or publish again later; sparkle queue ls shows the queues"}},
		"unreachable":       {fmt.Errorf("%w (%w)", streams.ErrUnreachable, context.DeadlineExceeded), cli.Verdict{Code: 1, Text: "no answer from NATS (context deadline exceeded)"}},
		"no topology":       {streams.ErrNoTopology, cli.Verdict{Code: 1, Text: streams.ErrNoTopology.Error(), Hint: "start a consumer, which makes the streams, or check --namespace"}},
		"no JetStream":      {jetstream.ErrJetStreamNotEnabled, cli.Verdict{Code: 1, Text: jetstream.ErrJetStreamNotEnabled.Error(), Hint: "start the NATS server with -js, or use: consumer --dev"}},
		"interrupted":       {fmt.Errorf("x: %w", context.Canceled), cli.Verdict{Code: 1, Text: "interrupted"}},
		"advice":            {cli.Advise(errors.New("burnt"), "cook %s", "again"), cli.Verdict{Code: 1, Text: "burnt", Hint: "cook again"}},
		"better advice":     {cli.Advise(&streams.WaitingError{ID: "a", Run: "r"}, "x"), cli.Verdict{Code: 4, Text: "task a (run r): a task of this id has not ended", Hint: "wait for it with: sparkle task await a; or choose another id"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, cli.Explain(row.err)); diff != "" {
				t.Errorf("Explain(%v) (-want +got):\n%s", row.err, diff)
			}
		})
	}
	if cli.Advise(nil, "x") != nil {
		t.Error("Advise(nil) is not nil")
	}
}

func TestErrorsAreToldCleanOnStandardError(t *testing.T) {
	fails := program(func(cli.Std, cli.Output) error {
		return &cli.Fault{Code: cli.NotFound, Err: errors.New("no \x1b[31mtask\nat all"), Hint: "look\x07 again"}
	})
	want := clitest.Result{Code: 3, Err: "consumer: no task at all\nhint: look again\n"}
	if diff := cmp.Diff(want, clitest.Run(t, fails, clitest.Input{})); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestFlagsThatExcludeEachOther(t *testing.T) {
	given := cli.Given{"a": true, "b": true}
	if err := given.Both("a", "b"); err == nil || cli.Explain(err).Code != cli.Usage {
		t.Errorf("Both(a, b) = %v, want misuse", err)
	}
	if err := given.Both("a", "c"); err != nil {
		t.Errorf("Both(a, c) = %v, want nil", err)
	}
}
