package cli_test

import (
	"testing"

	"go.uber.org/goleak"

	"sparkle/streams/streamstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, streamstest.KnownLeak()) }
