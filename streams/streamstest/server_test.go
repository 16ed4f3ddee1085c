package streamstest_test

import (
	"context"
	"testing"

	"sparkle/streams"
	"sparkle/streams/streamstest"
	"sparkle/tasks"
)

func TestAHandlerIsTestedInAFewLines(t *testing.T) {
	double := tasks.Type[int, int]{Name: "double"}
	var r tasks.Registry
	tasks.Handle(&r, double, func(_ context.Context, n int) (int, error) { return 2 * n, nil })

	server := streamstest.New(t, streamstest.Options{})
	server.Work(t, &r)

	task, err := double.New(21)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := streams.NewPublisher(server.Client, streams.PublisherOptions{Registry: &r}).Publish(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	result, err := server.Client.Await(t.Context(), receipt.ID, receipt.Run)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := double.Result(result.Result); err != nil || got != 42 {
		t.Errorf("result = %d, %v, want 42", got, err)
	}
}
