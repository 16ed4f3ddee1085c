package embedded

import "time"

// A StoreConfig is what the NATS server made of the options, for the tests.
type StoreConfig struct {
	Dir                 string
	MaxStore, MaxMemory int64
	SyncAlways          bool
	SyncEvery           time.Duration
}

// JetStreamConfig asks the server for its configuration, which no client of
// this account can.
func JetStreamConfig(s *Server) StoreConfig {
	c := s.nats.JetStreamConfig()
	return StoreConfig{c.StoreDir, c.MaxStore, c.MaxMemory, c.SyncAlways, c.SyncInterval}
}
