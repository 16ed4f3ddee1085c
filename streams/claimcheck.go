package streams

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go/jetstream"
)

// An owner is whose payload or result a blob has. It stands in the blob's
// metadata, so that the sweep finds out whether the blob is still needed.
type owner struct {
	kind    string // payload or result
	typ, id string
}

const (
	payloadKind = "payload"
	resultKind  = "result"
)

// Keys of a blob's metadata. An object without them is none of ours.
const (
	metaKind = "sparkle-kind"
	metaType = "sparkle-type"
	metaTask = "sparkle-task"
)

// BlobWait bounds the reading or writing of a blob.
const blobWait = time.Minute

// PayloadBlob names the blob of a run's payload.
func payloadBlob(run string) string { return payloadKind + "." + run }

// ResultBlob names the blob of the result that a lease stored. Two workers that
// both think they hold a run must not replace each other's result, of which only
// one is the run's.
func (l claim) resultBlob() string {
	return fmt.Sprintf("%s.%s.%d.%d", resultKind, l.run, l.sequence, l.number)
}

// CheckIn stores b's data as a blob and makes b its claim check. The blob is
// stored when it returns nil; else nothing is left of it, as far as the server
// answers.
func (c *Client) checkIn(ctx context.Context, b *Body, name string, o owner) error {
	var answer *jetstream.APIError // why the server did not store it, though it may later
	err := c.retry(ctx, func() error {
		info, err := c.putBlob(ctx, b.Data, jetstream.ObjectMeta{
			Name:     name,
			Metadata: map[string]string{metaKind: o.kind, metaType: o.typ, metaTask: o.id},
			Opts:     &jetstream.ObjectMetaOptions{ChunkSize: c.chunkSize()},
		})
		if err == nil {
			b.Blob, b.Digest, b.Size, b.Data = name, info.Digest, len(b.Data), nil
		}
		errors.As(err, &answer)
		return err
	})
	if err == nil {
		return c.step("blob stored")
	}
	c.discardBlob(ctx, name)
	if answer != nil && ctx.Err() != nil {
		err = answer
	}
	return fmt.Errorf("store blob %s: %w", name, err)
}

func (c *Client) putBlob(ctx context.Context, data []byte, meta jetstream.ObjectMeta) (*jetstream.ObjectInfo, error) {
	store, err := c.js.ObjectStore(ctx, c.ns.Stream("BLOBS"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, blobWait)
	defer cancel()
	return store.Put(ctx, meta, &stepReader{bytes.NewReader(data), c.step})
}

// DiscardBlob removes the description of a blob that could not be written, which
// a full store takes although it refused chunks. The chunks were taken back.
func (c *Client) discardBlob(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pubAckWait)
	defer cancel()
	if !c.nc.IsConnected() {
		return
	}
	if stream, err := c.js.Stream(ctx, c.blobStream()); err == nil {
		_ = stream.Purge(ctx, jetstream.WithPurgeSubject(c.metaSubject(name))) // else the sweep finds it
	}
}

// ChunkSize is that of the object store, less where the server takes only
// smaller messages.
func (c *Client) chunkSize() uint32 {
	const usual = 128 << 10
	if most := c.nc.MaxPayload() / 2; most > 0 && most < usual {
		return uint32(most)
	}
	return usual
}

// A stepReader tells tests that the chunks are on their way and the object's
// description is not.
type stepReader struct {
	data *bytes.Reader
	step func(string) error
}

func (r *stepReader) Read(p []byte) (int, error) {
	n, err := r.data.Read(p)
	if errors.Is(err, io.EOF) {
		if fault := r.step("chunks sent"); fault != nil {
			return n, fault
		}
	}
	return n, err
}

// CheckOut reads the blob of a claim check and proves it by size and digest. An
// [*UnreadableError] says that the blob is not there as the task says; what the
// leader has decides that, since a replica may lag.
func (c *Client) checkOut(ctx context.Context, b *Body) ([]byte, error) {
	if b.Size > MaxBlob {
		return nil, unreadable("blob %s: %d bytes are more than %d", clip(b.Blob), b.Size, MaxBlob)
	}
	ctx, cancel := context.WithTimeout(ctx, blobWait)
	defer cancel()
	var data []byte
	err := c.retry(ctx, func() error {
		info, err := c.blobInfo(ctx, b.Blob)
		if err == nil {
			data, err = c.readBlob(ctx, info, b)
		}
		var broken *UnreadableError
		if errors.As(err, &broken) {
			return backoff.Permanent(err)
		}
		return err
	})
	var broken *UnreadableError
	if errors.As(err, &broken) {
		return nil, broken
	}
	return data, wrap("read", "blob "+clip(b.Blob), err)
}

// BlobInfo reads the description of an object.
func (c *Client) blobInfo(ctx context.Context, name string) (jetstream.ObjectInfo, error) {
	var info jetstream.ObjectInfo
	s, err := c.leaderGet(ctx, c.blobStream(), map[string]any{"last_by_subj": c.metaSubject(name)})
	if errors.Is(err, errNoMessage) {
		return info, unreadable("blob %s is gone", clip(name))
	}
	if err != nil {
		return info, err
	}
	if json.Unmarshal(s.data, &info) != nil || info.NUID == "" || info.Deleted {
		return info, unreadable("blob %s is gone", clip(name))
	}
	return info, nil
}

// ReadBlob reads the chunks: at once from any replica, and where those do not
// make the blob, one by one from the leader. The client's own reader would wait
// for chunks that are gone until its time is over.
func (c *Client) readBlob(ctx context.Context, info jetstream.ObjectInfo, b *Body) ([]byte, error) {
	if info.Digest != b.Digest || info.Size != uint64(b.Size) {
		return nil, unreadable("blob %s has another digest than the task says", clip(b.Blob))
	}
	subject := c.chunkSubject(info.NUID)
	data := make([]byte, 0, b.Size)
	take := func(s stored) bool {
		data = append(data, s.data...)
		return len(data) <= b.Size
	}
	err := c.scan(ctx, c.blobStream(), subject, take)
	if err == nil && proved(data, b) {
		return data, nil
	}
	data = data[:0]
	for next, more := uint64(1), true; more; {
		s, err := c.leaderGet(ctx, c.blobStream(), map[string]any{"seq": next, "next_by_subj": subject})
		if errors.Is(err, errNoMessage) {
			break
		}
		if err != nil {
			return nil, err
		}
		next, more = s.sequence+1, take(s)
	}
	if !proved(data, b) {
		return nil, unreadable("blob %s is damaged: what is stored has another digest", clip(b.Blob))
	}
	return data, nil
}

func proved(data []byte, b *Body) bool {
	sum := sha256.Sum256(data)
	return len(data) == b.Size && "SHA-256="+base64.URLEncoding.EncodeToString(sum[:]) == b.Digest
}

func (c *Client) blobStream() string { return "OBJ_" + c.ns.Stream("BLOBS") }

func (c *Client) chunkSubject(nuid string) string { return "$O." + c.ns.Stream("BLOBS") + ".C." + nuid }

func (c *Client) metaSubject(name string) string {
	return "$O." + c.ns.Stream("BLOBS") + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}
