package cli

import (
	"fmt"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

// Version is set by the linker: go build -ldflags "-X sparkle/internal/cli.version=v1.2.3".
var version string

// A Build says what was built.
type Build struct {
	Version  string `json:"version"` // always a semantic one
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from files that were not committed
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ReadBuild returns what the running program says of itself.
func ReadBuild() Build {
	b := Build{Version: semanticVersion(version), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if version == "" {
		b.Version = semanticVersion(info.Main.Version)
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}

var (
	semantic = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	foreign  = regexp.MustCompile(`[^0-9A-Za-z-]+`)
)

// SemanticVersion makes 1.2.3 of v1.2.3, and 0.0.0-a65693a of a commit's name,
// since NATS takes no other for its micro services.
func semanticVersion(text string) string {
	text = strings.TrimPrefix(text, "v")
	if semantic.MatchString(text) {
		return text
	}
	if text = strings.Trim(foreign.ReplaceAllString(text, "-"), "-"); text == "" {
		text = "devel"
	}
	return "0.0.0-" + text
}

// VersionFlag prints the version and ends the program.
type VersionFlag bool

// IgnoreDefault keeps the default from counting as given; kong calls it.
func (VersionFlag) IgnoreDefault() {}

// BeforeReset prints; kong calls it.
func (VersionFlag) BeforeReset(k *kong.Kong) error {
	_, err := fmt.Fprintln(k.Stdout, k.Model.Name, ReadBuild().Version)
	k.Exit(0)
	return err
}
