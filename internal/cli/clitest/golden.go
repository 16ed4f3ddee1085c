package clitest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Golden compares what a program printed, made stable, with testdata/<name>.
// With UPDATE_GOLDEN=1 it writes the file instead.
func Golden(t testing.TB, name, got string) {
	t.Helper()
	got = Stable(got)
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read the golden file (UPDATE_GOLDEN=1 writes it): %v", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("output differs from %s (-want +got):\n%s", path, diff)
	}
}

// Stable replaces what differs from run to run: ids and runs, times, ages and
// durations, sequences, ports, and with them the width of columns.
func Stable(text string) string {
	for _, r := range []struct{ pattern, with string }{
		{`viz-[0-9A-Za-z]{22,26}`, "viz-ID"},
		{`\b[0-9A-HJKMNP-TV-Z]{26}\b`, "ULID"},
		{`(\brun(?:":)? *"?)[0-9A-Za-z]{22}\b`, "${1}RUN"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+\d\d:\d\d)`, "TIME"},
		{`\b\d{4}-\d\d-\d\d\b`, "DAY"},
		{`\b\d\d:\d\d:\d\d(\.\d{3})?\b`, "CLOCK"},
		{`\b\d{1,3}(\.\d+)?m?s\b`, "0s"},
		{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
		{`("(?:sequence|took_ms|per_second|oldest_seconds)": ?)[\d.]+`, "${1}0"},
		{`\b\d+ tasks/s`, "0 tasks/s"},
		{`(\S) {2,}`, "$1  "},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}

// Eventually waits until ok says so, at most for 20 s.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not within 20s: %s", what)
		}
	}
}

// Contains reports every wanted part that text lacks.
func Contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("output lacks %q:\n%s", part, text)
		}
	}
}
