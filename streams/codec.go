package streams

import (
	"cmp"
	"encoding/json"
	"fmt"
	"mime"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"sparkle/tasks"
)

// A Codec writes JSON values in another content type, and reads them back: a
// handler gets JSON whatever a message carries. Its methods must be safe for
// concurrent use.
type Codec interface {
	// ContentType is the media type, without parameters.
	ContentType() string
	// Encode writes a JSON value. An error refuses the task.
	Encode(value json.RawMessage) ([]byte, error)
	// Decode reads what anybody may have sent. What it returns is checked as
	// any payload is. Its error must not quote data.
	Decode(data []byte) (json.RawMessage, error)
}

const (
	compressAbove = 32 << 10
	zstdEncoding  = "zstd"
	jsonType      = "application/json"
)

// Encode writes a value; nil means that its JSON is carried as it is. A small
// value without a codec costs a comparison.
func (c *Client) encode(p Packing, value json.RawMessage) (*Body, error) {
	above := cmp.Or(p.CompressAbove, compressAbove)
	if p.Codec == nil && (above < 0 || len(value) <= above) {
		return nil, nil
	}
	b := &Body{Data: value}
	if p.Codec != nil {
		data, err := p.Codec.Encode(value)
		if err != nil {
			return nil, fmt.Errorf("cannot be written as %s: %w", p.Codec.ContentType(), err)
		}
		if len(data) > MaxBlob {
			return nil, fmt.Errorf("%d bytes of %s are more than %d", len(data), p.Codec.ContentType(), MaxBlob)
		}
		b.Data, b.ContentType = data, p.Codec.ContentType()
	}
	if above >= 0 && len(b.Data) > above {
		small, err := c.zip.compress(b.Data)
		if err != nil {
			return nil, err
		}
		if len(small) < len(b.Data)-len(b.Data)/8 {
			b.Data, b.Encoding = small, zstdEncoding
		}
	}
	if b.ContentType == "" && b.Encoding == "" {
		return nil, nil
	}
	return b, nil
}

// Decode reads a body's data back to JSON.
func (c *Client) decode(b *Body, data []byte) (json.RawMessage, error) {
	switch b.Encoding {
	case "", "identity":
	case zstdEncoding:
		var err error
		if data, err = c.zip.decompress(data); err != nil {
			return nil, unreadable("cannot be decompressed within %d bytes", tasks.MaxPayload)
		}
	default:
		return nil, unreadable("has content encoding %q, want %s or none", clip(b.Encoding), zstdEncoding)
	}
	name := mediaType(b.ContentType)
	if name == jsonType {
		return data, nil
	}
	for _, codec := range c.Codecs {
		if mediaType(codec.ContentType()) != name {
			continue
		}
		value, err := codec.Decode(data)
		if err != nil {
			return nil, unreadable("is not %s: %v", clip(name), err)
		}
		return value, nil
	}
	return nil, unreadable("has content type %q, and this program has no codec for it", clip(b.ContentType))
}

// MediaType is a content type without its parameters; none is JSON.
func mediaType(contentType string) string {
	name, _, err := mime.ParseMediaType(cmp.Or(contentType, jsonType))
	if err != nil {
		return contentType
	}
	return name
}

func clip(s string) string {
	if len(s) <= 64 {
		return s
	}
	return strings.ToValidUTF8(s[:64], "") + "…"
}

// A compressor is made when it is used first, for it takes memory. Its methods
// are safe for concurrent use and leave no goroutine behind.
type compressor struct {
	once    sync.Once
	encoder *zstd.Encoder
	decoder *zstd.Decoder
	err     error
}

func (z *compressor) make() error {
	z.once.Do(func() {
		z.encoder, z.err = zstd.NewWriter(nil, zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
		if z.err == nil {
			z.decoder, z.err = zstd.NewReader(nil, zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxMemory(tasks.MaxPayload), zstd.WithDecoderMaxWindow(tasks.MaxPayload))
		}
	})
	return z.err
}

func (z *compressor) compress(data []byte) ([]byte, error) {
	if err := z.make(); err != nil {
		return nil, err
	}
	return z.encoder.EncodeAll(data, make([]byte, 0, len(data)/2)), nil
}

func (z *compressor) decompress(data []byte) ([]byte, error) {
	if err := z.make(); err != nil {
		return nil, err
	}
	return z.decoder.DecodeAll(data, nil)
}
