package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// A Client is one namespace on one NATS connection. It is safe for concurrent
// use and owns no goroutine; the connection is the caller's.
type Client struct {
	// Codecs read payloads and results of other content types than JSON. Set
	// them before the client is used. Default none: such a payload is buried.
	Codecs []Codec

	nc  *nats.Conn
	js  jetstream.JetStream
	ns  Namespace
	zip compressor
	// Refusal gets what the server refused and is tried again; nil where nobody
	// listens.
	refusal func(error)

	journal *journal
	mu      sync.Mutex
	control jetstream.KeyValue // nil until it was looked up

	fault func(step string) error // where tests let a process die; nil outside
}

// PubAckWait bounds the wait for one answer of the server. What was asked is
// asked again then, so it is short: an answer that a restart swallowed never
// comes.
const pubAckWait = 2 * time.Second

// NewClient returns a client of namespace n on nc; an empty n is
// [DefaultNamespace]. It does not talk to the server.
func NewClient(nc *nats.Conn, n Namespace) (*Client, error) {
	n = cmp.Or(n, DefaultNamespace)
	if err := n.Check(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(pubAckWait))
	if err != nil {
		return nil, fmt.Errorf("new client: %w", err)
	}
	return &Client{nc: nc, js: js, ns: n, journal: &journal{js: js}}, nil
}

// Telling returns the same client for one that tells log, at most once in a
// while, what the server does not store and is asked again to.
func (c *Client) telling(log zerolog.Logger) *Client {
	var told atomic.Int64 // unix nanoseconds
	return &Client{Codecs: c.Codecs, nc: c.nc, js: c.js, ns: c.ns, journal: c.journal, fault: c.fault, refusal: func(err error) {
		last, now := told.Load(), time.Now().UnixNano()
		if now-last >= int64(tellEvery) && told.CompareAndSwap(last, now) {
			log.Warn().Err(err).Msg("not stored yet")
		}
	}}
}

const tellEvery = 5 * time.Second

// ControlBucket is what the fleet shares beside the streams; keys.go lists its keys.
func (c *Client) controlBucket(ctx context.Context) (jetstream.KeyValue, error) {
	c.mu.Lock()
	known := c.control
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found, err := c.js.KeyValue(ctx, c.ns.Stream("CONTROL"))
	if err != nil {
		return nil, wrap("look up", "the control bucket", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.control = found
	return found, nil
}

// Namespace returns the client's namespace.
func (c *Client) Namespace() Namespace { return c.ns }

// Stored is a message as a stream keeps it.
type stored struct {
	subject  string
	sequence uint64
	header   nats.Header
	data     []byte
	time     time.Time
}

var errNoMessage = errors.New("no such message")

// LeaderLast returns the last message of subject, which may have wildcards, as
// the stream's leader has it: a replica asked directly may lag behind, and what
// decides whether a task runs again must not.
func (c *Client) leaderLast(ctx context.Context, kind, subject string) (stored, error) {
	return c.leaderGet(ctx, c.ns.Stream(kind), map[string]any{"last_by_subj": subject})
}

// LeaderAt returns the message with that sequence.
func (c *Client) leaderAt(ctx context.Context, kind string, sequence uint64) (stored, error) {
	return c.leaderGet(ctx, c.ns.Stream(kind), map[string]any{"seq": sequence})
}

// LeaderNext returns the first message of subject from sequence on.
func (c *Client) leaderNext(ctx context.Context, kind, subject string, sequence uint64) (stored, error) {
	return c.leaderGet(ctx, c.ns.Stream(kind), map[string]any{"seq": sequence, "next_by_subj": subject})
}

func (c *Client) leaderGet(ctx context.Context, stream string, request map[string]any) (stored, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return stored{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, pubAckWait)
	defer cancel()
	answer, err := c.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
	if err != nil {
		return stored{}, fmt.Errorf("read %s: %w", stream, err)
	}
	return decodeStored(answer.Data)
}

func decodeStored(data []byte) (stored, error) {
	var reply struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Header   []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return stored{}, fmt.Errorf("decode a stored message: %w", err)
	}
	if reply.Error != nil {
		if reply.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return stored{}, errNoMessage
		}
		return stored{}, reply.Error
	}
	if reply.Message == nil {
		return stored{}, errNoMessage
	}
	m := reply.Message
	s := stored{subject: m.Subject, sequence: m.Sequence, data: m.Data, time: m.Time}
	if len(m.Header) > 0 {
		header, err := nats.DecodeHeadersMsg(m.Header)
		if err != nil {
			return stored{}, fmt.Errorf("decode headers of message %d: %w", m.Sequence, err)
		}
		s.header = header
	}
	return s, nil
}

// Refused reports whether err is the server's refusal of an expected sequence.
func refused(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// Contended reports whether err is such a refusal, or that of a message whose
// subject another one is about to take: trying again tells.
func contended(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == errInProcess)
}

const errInProcess jetstream.ErrorCode = 10164
