package docs_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"sparkle/streams/streamstest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir)
	}
	if err := goleak.Find(streamstest.KnownLeak()); code == 0 && err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		code = 1
	}
	os.Exit(code)
}
