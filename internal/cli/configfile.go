package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"
)

// Config is the flag that names the configuration file: a JSON object whose keys
// are the shared flags (nats-url, namespace, log-level, …) and one object per
// program, with that program's flags:
//
//	{"nats-url": "nats://queue:4222", "consumer": {"concurrency": 40}}
type Config struct {
	Config string `help:"JSON file with settings by flag name; a program's own flags stand under its name. Default: sparkle/config.json in the user's configuration directory, where there is one." placeholder:"FILE" group:"settings"`
}

// A configFile is a read file; a zero one is empty.
type configFile struct {
	path   string
	values map[string]any
}

const maxConfig = 1 << 20 // bytes

func defaultConfig(env func(string) (string, bool)) string {
	if dir, ok := env("XDG_CONFIG_HOME"); ok && dir != "" {
		return filepath.Join(dir, "sparkle", "config.json")
	}
	if home, ok := env("HOME"); ok && home != "" {
		return filepath.Join(home, ".config", "sparkle", "config.json")
	}
	return ""
}

// OpenConfig reads a file; one that nobody asked for may be absent. With an error
// it returns an empty one.
func openConfig(path string, asked bool) (*configFile, error) {
	f := &configFile{path: path}
	if path == "" {
		return f, nil
	}
	data, err := readConfig(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("read --config: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&f.values); err != nil {
		return f, fmt.Errorf("read --config %s: not a JSON object: %w", path, err)
	}
	return f, nil
}

func readConfig(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err == nil && len(data) > maxConfig {
		err = fmt.Errorf("%s: more than %d bytes", path, maxConfig)
	}
	return data, err
}

// Lookup returns the text of a flag: the program's own, else the shared one.
func (f *configFile) lookup(program string, flag *kong.Flag) (string, bool) {
	own, _ := f.values[program].(map[string]any)
	if value, ok := own[flag.Name]; ok {
		return configText(value)
	}
	value, ok := f.values[flag.Name]
	if !ok || !shared(flag) {
		return "", false
	}
	return configText(value)
}

// Shared flags are those that every program has.
func shared(flag *kong.Flag) bool { return flag.Group != nil }

func configText(value any) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "", false
	case []any:
		texts := make([]string, 0, len(v))
		for _, element := range v {
			text, _ := configText(element)
			texts = append(texts, text)
		}
		return strings.Join(texts, ","), true
	default:
		return fmt.Sprint(v), true
	}
}

// Check finds keys that no flag has, which are mistyped ones.
func (f *configFile) check(program string, app *kong.Application) error {
	own, everywhere := map[string]bool{}, map[string]bool{"consumer": true, "publisher": true, "sparkle": true}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && settable(flag.Name) {
			own[flag.Name] = true
			everywhere[flag.Name] = everywhere[flag.Name] || shared(flag)
		}
		return next(nil)
	})
	for key := range f.values {
		if !everywhere[key] && own[key] {
			return fmt.Errorf("--config %s: %q is a flag of %s alone, put it under %q", f.path, key, program, program)
		}
		if !everywhere[key] {
			return fmt.Errorf("--config %s: no flag is called %q", f.path, key)
		}
	}
	section, _ := f.values[program].(map[string]any)
	for key := range section {
		if !own[key] {
			return fmt.Errorf("--config %s: %s has no flag called %q", f.path, program, key)
		}
	}
	return nil
}
