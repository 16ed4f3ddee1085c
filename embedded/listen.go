package embedded

import (
	"fmt"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

// loopback is the host of a listener that names none.
const loopback = "127.0.0.1"

// A listenAddress is where the listener stands, in the server's terms.
type listenAddress struct {
	set  bool // false: no listener
	host string
	port int // server.RANDOM_PORT for a free one
}

// parseListen reads a host:port; an empty text is no listener.
func parseListen(text string) (listenAddress, error) {
	if text == "" {
		return listenAddress{}, nil
	}
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return listenAddress{}, fmt.Errorf(`read Listen %q: want host:port, such as "127.0.0.1:4222"`, text)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return listenAddress{}, fmt.Errorf("read Listen %q: want a port from 0 to 65535", text)
	}
	address := listenAddress{set: true, host: host, port: int(port)}
	if host == "" {
		address.host = loopback
	}
	if port == 0 {
		address.port = server.RANDOM_PORT // the server takes 0 as 4222
	}
	return address, nil
}

// remote tells whether other machines may reach the listener. A host name
// counts as remote without a look-up, but for localhost: what a name means can
// change under a running server.
func (a listenAddress) remote() bool {
	if !a.set || a.host == "localhost" {
		return false
	}
	ip := net.ParseIP(a.host)
	return ip == nil || !ip.IsLoopback()
}
