package streams

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"sparkle/tasks"
)

// A fleet is what a publisher knows of the types that workers have announced: of
// each type that it was asked for, what the control bucket had at most half a
// minute ago. It is safe for concurrent use.
type fleet struct {
	mu    sync.Mutex
	types map[string]*announcedVersions
}

// AnnouncedVersions are those of one type, newest first.
type announcedVersions struct {
	refresh sync.Mutex
	mu      sync.Mutex
	asked   time.Time
	silent  bool // the last time there was no answer
	list    []AnnouncedType
}

const (
	fleetAge = 30 * time.Second
	// FleetMiss is the age of an answer that a type is unknown: it may be
	// announced at any moment.
	fleetMiss = 2 * time.Second
	// FleetWait bounds the look into the bucket, for which a publish waits. When
	// there is no answer, what was known before counts.
	fleetWait = 500 * time.Millisecond
	maxFleet  = 10_000 // types, since their names come from callers
)

// Versions returns what is announced of a type. One caller at a time looks it up
// again, and the others go by what is known.
func (f *fleet) versions(ctx context.Context, c *Client, name string) []AnnouncedType {
	known := f.entry(name)
	list, state := known.read()
	switch {
	case state == fresh:
		return list
	case state == never:
		known.refresh.Lock() // nothing to go by
	case !known.refresh.TryLock():
		return list
	}
	defer known.refresh.Unlock()
	if list, state = known.read(); state == fresh {
		return list
	}
	ctx, cancel := context.WithTimeout(ctx, fleetWait)
	defer cancel()
	return known.write(c.announcedOf(ctx, name))
}

func (f *fleet) entry(name string) *announcedVersions {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.types[name]
	if known == nil {
		if f.types == nil || len(f.types) >= maxFleet {
			f.types = map[string]*announcedVersions{}
		}
		known = &announcedVersions{}
		f.types[name] = known
	}
	return known
}

// A freshness is how far an answer counts.
type freshness int

const (
	never freshness = iota // nobody has asked
	stale
	fresh
)

func (a *announcedVersions) read() ([]AnnouncedType, freshness) {
	a.mu.Lock()
	defer a.mu.Unlock()
	age := fleetAge
	if len(a.list) == 0 && !a.silent {
		age = fleetMiss
	}
	switch {
	case a.asked.IsZero():
		return nil, never
	case time.Since(a.asked) >= age:
		return a.list, stale
	}
	return a.list, fresh
}

func (a *announcedVersions) write(list []AnnouncedType, err error) []AnnouncedType {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked, a.silent = time.Now(), err != nil
	if err == nil {
		a.list = list
	}
	return a.list
}

// AnnouncedOf reads the versions of one type in one request.
func (c *Client) announcedOf(ctx context.Context, name string) ([]AnnouncedType, error) {
	bucket := c.ns.Stream("CONTROL")
	batch, err := jetstreamext.GetLastMsgsFor(ctx, c.js, "KV_"+bucket,
		[]string{"$KV." + bucket + "." + controlKey(typeKind, name, "*")})
	if err != nil {
		return nil, err
	}
	var list []AnnouncedType
	for m, err := range batch {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			break
		}
		if err != nil {
			return nil, err
		}
		if m.Header.Get("KV-Operation") != "" || m.Header.Get(jetstream.MarkerReasonHeader) != "" {
			continue // removed
		}
		if t, err := parseAnnounced(name, m.Data); err == nil {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b AnnouncedType) int { return b.Announced.Compare(a.Announced) })
	return list, nil
}

// Definition returns the type of t for the defaults of a task, and why t cannot be
// published. A type that the publisher's own registry has costs no look at the
// fleet.
func (p *Publisher) definition(ctx context.Context, t *tasks.Task) (tasks.Definition, error) {
	own := p.options.Registry
	definition, known := own.Lookup(t.Type)
	if known && !p.options.Unchecked {
		return definition, own.Check(*t)
	}
	if err := t.Check(); err != nil || known {
		return definition, err
	}
	versions := p.fleet.versions(ctx, p.Client, t.Type)
	switch {
	case len(versions) > 0 && p.options.Unchecked:
		return versions[0].Definition, nil
	case len(versions) > 0:
		return versions[0].Definition, fits(versions, t.Payload)
	case own != nil && !p.options.Unchecked:
		return tasks.Definition{}, own.Check(*t) // unknown type
	default:
		return tasks.Definition{Priority: tasks.Default, Pool: tasks.MainPool}, nil
	}
}

// Fits reports why no version takes the payload: what the newest one says. While
// two builds of a worker run side by side, either's payload is good.
func fits(versions []AnnouncedType, payload []byte) error {
	newest := versions[0].Schema.Check(payload)
	if newest == nil {
		return nil
	}
	for _, t := range versions[1:] {
		if t.Schema.Check(payload) == nil {
			return nil
		}
	}
	return newest
}

// TypeOfKey is the name in type.<name>.<hash>.
func typeOfKey(key string) string {
	_, rest, _ := strings.Cut(key, ".")
	name, _, _ := strings.Cut(rest, ".")
	return name
}
