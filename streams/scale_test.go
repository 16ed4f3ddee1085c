//go:build e2e

package streams_test

import "testing"

func TestScaleReplayOfTenThousandBesideNewRuns(t *testing.T) { replayBeside(t, 10_000, 500) }

func TestScaleCancelOfTenThousandThatRun(t *testing.T) { cancelRunning(t, 10_000) }
