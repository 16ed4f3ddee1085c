package dashboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"sparkle/dashboard"
)

func get(t *testing.T, o dashboard.Options, path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080"+path, nil)
	for _, fn := range change {
		fn(r)
	}
	w := httptest.NewRecorder()
	dashboard.Handler(o).ServeHTTP(w, r)
	return w
}

func TestHandlerServesItsPaths(t *testing.T) {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "seen_total", Help: "Seen."}))
	o := dashboard.Options{Metrics: metrics}
	for path, want := range map[string]struct {
		code       int
		kind, body string
	}{
		"/":        {200, "text/html; charset=utf-8", "Sparkle consumer"},
		"/healthz": {200, "text/plain; charset=utf-8", "alive\n"},
		"/readyz":  {200, "application/json", `{"ready":true,"checks":{}}`},
		"/metrics": {200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "seen_total 0"},
		"/nothing": {404, "text/plain; charset=utf-8", "not found"},
	} {
		w := get(t, o, path)
		if w.Code != want.code || w.Header().Get("Content-Type") != want.kind || !strings.Contains(w.Body.String(), want.body) {
			t.Errorf("GET %s = %d %s %q, want %d %s with %q", path, w.Code, w.Header().Get("Content-Type"), w.Body, want.code, want.kind, want.body)
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("GET %s has the policy %q, want default-src 'none'", path, csp)
		}
		if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("GET %s has X-Content-Type-Options %q, want nosniff", path, got)
		}
	}
}

func TestHandlerChangesNothing(t *testing.T) {
	for _, path := range []string{"/", "/healthz", "/readyz"} {
		w := get(t, dashboard.Options{}, path, func(r *http.Request) { r.Method = http.MethodPost })
		if w.Code < 400 {
			t.Errorf("POST %s = %d, want a refusal", path, w.Code)
		}
	}
}

func TestHealthTellsWhatIsDead(t *testing.T) {
	w := get(t, dashboard.Options{Health: func() error { return errors.New("disk is full") }}, "/healthz")
	if w.Code != 503 || w.Body.String() != "not alive: disk is full\n" {
		t.Errorf("GET /healthz = %d %q, want 503 and the reason", w.Code, w.Body)
	}
}

func TestReadinessNamesTheCheckThatFails(t *testing.T) {
	check := func(name string, err error) dashboard.Check {
		return dashboard.Check{Name: name, Test: func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Errorf("check %s has no deadline", name)
			}
			return err
		}}
	}
	w := get(t, dashboard.Options{Ready: []dashboard.Check{check("nats", nil), check("pulls", errors.New("stopped"))}}, "/readyz")
	var got any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"ready": false, "checks": map[string]any{"nats": "ok", "pulls": "stopped"}}
	if diff := cmp.Diff(want, got); w.Code != 503 || diff != "" {
		t.Errorf("GET /readyz = %d, want 503 (-want +got):\n%s", w.Code, diff)
	}
}

func TestTokenOpensAllButHealth(t *testing.T) {
	o := dashboard.Options{Token: "s3cret"}
	with := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	for name, row := range map[string]struct {
		path   string
		change func(*http.Request)
		want   int
	}{
		"health without":    {"/healthz", nil, 200},
		"readiness without": {"/readyz", nil, 200},
		"the page without":  {"/", nil, 401},
		"a wrong bearer":    {"/", with("Bearer s3cre"), 401},
		"an empty bearer":   {"/", with("Bearer "), 401},
		"the bearer":        {"/", with("Bearer s3cret"), 200},
		"the password":      {"/", func(r *http.Request) { r.SetBasicAuth("anyone", "s3cret") }, 200},
		"by a name":         {"/", func(r *http.Request) { r.Host = "queue.example"; r.SetBasicAuth("", "s3cret") }, 200},
	} {
		t.Run(name, func(t *testing.T) {
			change := row.change
			if change == nil {
				change = func(*http.Request) {}
			}
			if w := get(t, o, row.path, change); w.Code != row.want {
				t.Errorf("GET %s = %d, want %d", row.path, w.Code, row.want)
			}
		})
	}
}

func TestWithoutATokenANameIsRefused(t *testing.T) {
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost": 200, "localhost:8080": 200, "[::1]:8080": 200, "[::1]": 200, "10.0.0.7": 200,
		"evil.example": 421, "evil.example:8080": 421, "127.0.0.1.evil.example": 421, "": 421,
	} {
		w := get(t, dashboard.Options{}, "/", func(r *http.Request) { r.Host = host })
		if w.Code != want {
			t.Errorf("GET / at %q = %d, want %d", host, w.Code, want)
		}
	}
}
