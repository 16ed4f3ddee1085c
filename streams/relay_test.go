package streams_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// A cable is a TCP connection to a server that a test cuts and mends.
type cable struct {
	t      *testing.T
	url    string
	target string

	mu       sync.Mutex
	listener net.Listener
	ends     []net.Conn
	copying  sync.WaitGroup
}

func relay(t *testing.T, server string) *cable {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{t: t, target: target.Host}
	c.listen("127.0.0.1:0")
	c.url = "nats://" + c.listener.Addr().String()
	t.Cleanup(func() {
		c.cut()
		c.copying.Wait()
	})
	return c
}

func (c *cable) listen(address string) {
	c.t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.listener = listener
	c.copying.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", c.target)
			if err != nil {
				_ = near.Close()
				continue
			}
			c.mu.Lock()
			c.ends = append(c.ends, near, far)
			c.mu.Unlock()
			c.copying.Go(func() { _, _ = io.Copy(near, far) })
			c.copying.Go(func() { _, _ = io.Copy(far, near) })
		}
	})
}

func (c *cable) cut() {
	_ = c.listener.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range c.ends {
		_ = end.Close()
	}
	c.ends = nil
}

func (c *cable) mend() { c.listen(c.listener.Addr().String()) }
