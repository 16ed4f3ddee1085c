package dashboard

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// A Check is one condition of readiness.
type Check struct {
	Name string
	// Test says why the condition does not hold, nil while it does. Its context
	// ends after 3 s.
	Test func(context.Context) error
}

const checkWait = 3 * time.Second

func (o Options) health(w http.ResponseWriter, _ *http.Request) {
	if o.Health != nil {
		if err := o.Health(); err != nil {
			http.Error(w, "not alive: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("alive\n")) // the prober is gone
}

// Readiness is the answer of /readyz: each check with "ok" or what is wrong.
type readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
}

func (o Options) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkWait)
	defer cancel()
	answer := readiness{Ready: true, Checks: map[string]string{}}
	for _, check := range o.Ready {
		answer.Checks[check.Name] = "ok"
		if err := check.Test(ctx); err != nil {
			answer.Ready, answer.Checks[check.Name] = false, err.Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer) // the prober is gone
}
