package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/micro"

	"sparkle/tasks"
)

// ControllerOptions configures a [Controller]; Worker is needed.
type ControllerOptions struct {
	// Worker that is found and steered.
	Worker *tasks.Worker
	// Version of the program, as MAJOR.MINOR.PATCH. Default 0.0.0.
	Version string
}

// A Controller makes a worker known as a NATS micro service: `sparkle worker ls`
// and `nats micro ls` find it, and it is scaled, drained and resumed while it
// runs. What is cancelled and paused the worker hears from its [Source].
type Controller struct {
	*Client
	options ControllerOptions
}

// NewController returns a controller over c.
func NewController(c *Client, o ControllerOptions) *Controller {
	o.Version = cmp.Or(o.Version, "0.0.0")
	return &Controller{Client: c, options: o}
}

// Run answers until ctx is done; then it returns nil.
func (c *Controller) Run(ctx context.Context) error {
	name := c.options.Worker.Stats().Name
	service, err := micro.AddService(c.nc, micro.Config{
		Name: string(c.ns) + "-worker", Version: c.options.Version, Description: "A worker of Sparkle's tasks.",
		Metadata: map[string]string{"worker": name, "namespace": string(c.ns)},
	})
	if err != nil {
		return wrap("register", "worker "+name, err)
	}
	var obeying sync.WaitGroup
	defer obeying.Wait()
	orders := func(r micro.Request) {
		// A drain takes seconds, and the stats are asked for meanwhile.
		obeying.Go(func() { _ = r.RespondJSON(c.obey(ctx, name, r.Data())) })
	}
	stats := func(r micro.Request) {
		_ = r.RespondJSON(c.options.Worker.Stats()) // the asker is gone, or asks again
	}
	err = errors.Join(
		service.AddEndpoint("stats", micro.HandlerFunc(stats),
			micro.WithEndpointSubject(c.ns.subject("workers", "stats")), micro.WithEndpointQueueGroupDisabled()),
		service.AddEndpoint("orders", micro.HandlerFunc(orders),
			micro.WithEndpointSubject(c.ns.orders(name)), micro.WithEndpointQueueGroupDisabled()),
	)
	if err != nil {
		return errors.Join(wrap("register", "worker "+name, err), service.Stop())
	}
	<-ctx.Done()
	if c.nc.IsClosed() {
		return nil
	}
	return wrap("unregister", "worker "+name, service.Stop())
}

// Orders is where the worker of that name is steered.
func (n Namespace) orders(worker string) string { return n.subject("workers", "orders", token(worker)) }

const orderWait = 10 * time.Second // a drain may take 4 s

// Obey does what an order says.
func (c *Controller) obey(ctx context.Context, name string, data []byte) Steered {
	answer := Steered{Worker: name}
	o, err := parseOrder(data)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, orderWait)
		defer cancel()
		answer.Before = standing(c.options.Worker.Stats())
		switch o.Verb {
		case Scale:
			_, err = c.options.Worker.Scale(o.Slots)
		case Drain:
			err = c.options.Worker.Drain(ctx)
		case ResumeWork:
			err = c.options.Worker.Resume(ctx)
		}
		answer.After = standing(c.options.Worker.Stats())
	}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

func parseOrder(data []byte) (Order, error) {
	var o Order
	if err := json.Unmarshal(data, &o); err != nil {
		return Order{}, fmt.Errorf("decode an order: want an object with verb and slots: %w", err)
	}
	return o, o.Check()
}
