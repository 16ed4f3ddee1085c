// Package dashboard is what a consumer shows over HTTP: its health, its
// readiness, its metrics, and a page that leads to them. It opens no port; the
// caller's server does.
package dashboard

import (
	_ "embed"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options configures [Handler].
type Options struct {
	// Health says why the process is not alive, nil while it is. Default:
	// alive.
	Health func() error
	// Ready are the checks that must pass for the process to be ready. Default
	// none.
	Ready []Check
	// Metrics are served to Prometheus. Default: none, /metrics is not found.
	Metrics prometheus.Gatherer
	// Token opens everything but /healthz and /readyz, as a bearer's or as the
	// password of basic authentication. Empty: everything is open, but only to
	// requests that name localhost or an address, so that no web page elsewhere
	// can read it through a name that it makes point here.
	Token string
}

//go:embed page.html
var page []byte

// Handler serves /healthz, /readyz, /metrics and the page.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", o.health)
	mux.HandleFunc("GET /readyz", o.ready)
	closed := http.NewServeMux()
	closed.HandleFunc("GET /{$}", servePage)
	if o.Metrics != nil {
		closed.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))
	}
	mux.Handle("/", o.guard(closed))
	return secured(mux)
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page) // the reader is gone
}

// Secured sets the headers that keep a browser from doing anything with an
// answer but to show it.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
