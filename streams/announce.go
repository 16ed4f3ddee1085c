package streams

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sparkle/tasks"
)

// An AnnouncedType is a version of a type that a worker runs, or ran: publishers
// check payloads against it while no worker is up.
type AnnouncedType struct {
	tasks.Definition
	// Hash tells the versions of a type apart: 16 hex digits of its definition.
	Hash string `json:"hash"`
	// Announced is when a worker with this version started last, to within an
	// hour, and Program that worker's version.
	Announced time.Time `json:"announced"`
	Program   string    `json:"program"`
}

const (
	// AnnounceEvery is how old an announcement may be before a start of the same
	// program makes it anew.
	announceEvery = time.Hour
	maxDefinition = 256 << 10
	hashLength    = 16
)

// Announce makes the types that r has handlers for known to publishers, without
// expiry and beside other versions of the same types. Program is the version of
// the caller. It bears repetition: what was announced within the hour is not
// written again.
func (c *Client) Announce(ctx context.Context, r *tasks.Registry, program string) error {
	control, err := c.controlBucket(ctx)
	if err != nil {
		return fmt.Errorf("announce types: %w", err)
	}
	for _, definition := range r.Types() {
		if !r.Handles(definition.Name) {
			continue
		}
		t := AnnouncedType{Definition: definition, Announced: time.Now().UTC(), Program: program}
		if t.Hash, err = hashOf(definition); err == nil {
			err = c.announceType(ctx, control, t)
		}
		if err != nil {
			return fmt.Errorf("announce type %s: %w", definition.Name, err)
		}
	}
	return nil
}

func (c *Client) announceType(ctx context.Context, control jetstream.KeyValue, t AnnouncedType) error {
	key := controlKey(typeKind, t.Name, t.Hash)
	ctx, cancel := context.WithTimeout(ctx, pubAckWait)
	defer cancel()
	entry, err := control.Get(ctx, key)
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return err
	}
	if err == nil {
		known, parseErr := parseAnnounced(t.Name, entry.Value())
		if parseErr == nil && known.Program == t.Program && t.Announced.Sub(known.Announced) < announceEvery {
			return nil
		}
	}
	value, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if len(value) > maxDefinition {
		return fmt.Errorf("its schema makes %d bytes, which are more than %d", len(value), maxDefinition)
	}
	_, err = control.Put(ctx, key, value)
	return err
}

// HashOf goes by what a publisher needs to know: every field of a definition.
func hashOf(d tasks.Definition) (string, error) {
	source, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(source)
	return hex.EncodeToString(sum[:])[:hashLength], nil
}

// ParseAnnounced reads an entry, which anybody with the right to the bucket may
// have written.
func parseAnnounced(name string, value []byte) (AnnouncedType, error) {
	var t AnnouncedType
	switch err := json.Unmarshal(value, &t); {
	case err != nil:
		return t, fmt.Errorf("decode announced type %s: %w", name, err)
	case t.Name != name || t.Schema == nil || !t.Priority.Valid() || !tasks.ValidName(t.Pool) || !tasks.ValidName(t.Hash):
		return t, fmt.Errorf("decode announced type %s: want its name, schema, priority, pool and hash", name)
	}
	return t, nil
}

// Announced lists the announced types by name, of each the newest version first.
// What cannot be read is left out.
func (c *Client) Announced(ctx context.Context) ([]AnnouncedType, error) {
	control, err := c.controlBucket(ctx)
	if err != nil {
		return nil, fmt.Errorf("list announced types: %w", err)
	}
	watcher, err := control.Watch(ctx, controlKey(typeKind, ">"), jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("list announced types: %w", err)
	}
	defer func() { _ = watcher.Stop() }() // fails only when the connection is gone
	list := []AnnouncedType{}
	for {
		select {
		case entry := <-watcher.Updates():
			if entry == nil { // all that there is has come
				slices.SortFunc(list, func(a, b AnnouncedType) int {
					return cmp.Or(cmp.Compare(a.Name, b.Name), b.Announced.Compare(a.Announced), cmp.Compare(a.Hash, b.Hash))
				})
				return list, nil
			}
			if t, err := parseAnnounced(typeOfKey(entry.Key()), entry.Value()); err == nil {
				list = append(list, t)
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("list announced types: %w", ctx.Err())
		}
	}
}

// Forget removes versions of announced types. A worker that runs one announces it
// again when it starts.
func (c *Client) Forget(ctx context.Context, versions []AnnouncedType) error {
	control, err := c.controlBucket(ctx)
	if err != nil {
		return fmt.Errorf("forget announced types: %w", err)
	}
	for _, t := range versions {
		if err := control.Purge(ctx, controlKey(typeKind, t.Name, t.Hash)); err != nil {
			return fmt.Errorf("forget announced type %s %s: %w", t.Name, t.Hash, err)
		}
	}
	return nil
}
