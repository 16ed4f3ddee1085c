package dashboard

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// Guard lets those pass who know the token; where there is none, those who came
// by an address and not by a name.
func (o Options) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case o.Token == "" && !addressed(r.Host):
			http.Error(w, "use an IP address or localhost in the URL, or give the consumer an --http-token", http.StatusMisdirectedRequest)
		case o.Token != "" && !o.knows(r):
			w.Header().Set("WWW-Authenticate", `Basic realm="sparkle", charset="UTF-8"`)
			http.Error(w, "this needs the consumer's --http-token", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (o Options) knows(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, token, _ = r.BasicAuth()
	}
	// Of equal length, so that the time to compare tells nothing.
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(o.Token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// Addressed reports whether a Host header names an address or this machine.
func addressed(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return host == "localhost" || net.ParseIP(host) != nil
}
