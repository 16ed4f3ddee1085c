package main

import (
	"fmt"
	"net"
	"strconv"
)

// An address is a host:port to listen on; "" is nowhere. An empty host is
// 127.0.0.1 and not every interface.
type address string

// UnmarshalText reads "host:port", or "off".
func (a *address) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*a = ""
		return nil
	}
	host, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return fmt.Errorf("want host:port such as 127.0.0.1:8080, or off, got %q", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("want a port from 0 to 65535, got %q", text)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	*a = address(net.JoinHostPort(host, port))
	return nil
}

// Remote reports whether other machines may reach the address. A name counts as
// remote but for localhost: what it means can change under a running process.
func (a address) remote() bool {
	if a == "" {
		return false
	}
	host, _, _ := net.SplitHostPort(string(a))
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}
