package streams

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// ConnectOptions says how to reach a NATS server.
type ConnectOptions struct {
	// URL of one or more servers, separated by commas. Default
	// nats://127.0.0.1:4222.
	URL string
	// Name shows in the server's list of connections.
	Name string
	// Creds is a file with a user's JWT and key, NKey one with a key alone.
	Creds, NKey string
	// TLSCA, TLSCert and TLSKey are PEM files: the authority to trust, and the
	// client's own certificate with its key.
	TLSCA, TLSCert, TLSKey string
	// Wait is how long Connect tries. Default 5 s.
	Wait time.Duration
	// Log gets lost and regained connections and denied subjects. The zero
	// logger is silent.
	Log zerolog.Logger
}

// Connect connects to NATS and fails when no server answers within Wait. Once
// connected, the connection comes back by itself however long the server is
// away; what is published meanwhile fails at once instead of being sent later.
func Connect(o ConnectOptions) (*nats.Conn, error) {
	o.URL = cmp.Or(o.URL, nats.DefaultURL)
	o.Wait = cmp.Or(o.Wait, 5*time.Second)
	options, err := o.natsOptions()
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", redacted(o.URL), err)
	}
	nc, err := nats.Connect(o.URL, options...)
	var malformed *url.Error // quotes the URL, with what secret it has
	switch {
	case errors.As(err, &malformed):
		return nil, errors.New("connect to NATS: the URL is not of the form nats://host:port")
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout):
		return nil, fmt.Errorf("connect to %s: no server answers there (%w); start one with: consumer --dev", redacted(o.URL), err)
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return nil, fmt.Errorf("connect to %s: %w; check --creds or --nkey", redacted(o.URL), err)
	case err != nil:
		return nil, fmt.Errorf("connect to %s: %w", redacted(o.URL), err)
	}
	return nc, nil
}

var userInfo = regexp.MustCompile(`//[^@/,]*@`)

// Redacted takes passwords and tokens out of URLs.
func redacted(urls string) string { return userInfo.ReplaceAllString(urls, "//…@") }

func (o ConnectOptions) natsOptions() ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name(o.Name), nats.Timeout(o.Wait), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1), nats.PingInterval(20 * time.Second), nats.MaxPingsOutstanding(3),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil when we hang up ourselves
				o.Log.Warn().Err(err).Msg("NATS connection lost")
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			o.Log.Info().Str("server", nc.ConnectedUrlRedacted()).Msg("NATS connection regained")
		}),
		nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) {
			o.Log.Error().Err(explainAsync(nc, err)).Msg("NATS refused")
		}),
	}
	if o.Creds != "" {
		if _, err := os.Stat(o.Creds); err != nil {
			return nil, fmt.Errorf("--creds: %w", err)
		}
		options = append(options, nats.UserCredentials(o.Creds))
	}
	if o.NKey != "" {
		key, err := nats.NkeyOptionFromSeed(o.NKey)
		if err != nil {
			return nil, fmt.Errorf("--nkey: %w", err)
		}
		options = append(options, key)
	}
	secure, err := o.tls()
	if err != nil {
		return nil, err
	}
	if secure != nil {
		options = append(options, nats.Secure(secure))
	}
	return options, nil
}

func (o ConnectOptions) tls() (*tls.Config, error) {
	if o.TLSCA == "" && o.TLSCert == "" && o.TLSKey == "" {
		return nil, nil // no TLS asked for
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLSCA != "" {
		pem, err := os.ReadFile(o.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--tls-ca: %s holds no certificate in PEM", o.TLSCA)
		}
	}
	if o.TLSCert != "" || o.TLSKey != "" {
		pair, err := tls.LoadX509KeyPair(o.TLSCert, o.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

var denied = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]*)"`)

// ExplainAsync says in words what shows to the caller of a denied publish as a
// time-out.
func explainAsync(nc *nats.Conn, err error) error {
	found := denied.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	verb := "publish"
	if found[1] == "subscription" {
		verb = "subscribe to"
	}
	return fmt.Errorf("not allowed to %s %s as %s", verb, found[2], cmp.Or(nc.Opts.Name, "this user"))
}
