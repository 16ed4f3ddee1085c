package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

const (
	lockName = "lock"
	pidName  = "lock.pid"
)

// A storeLock is the exclusive hold on a store directory. The NATS server has
// none: two of them on one directory both start and ruin it. The operating
// system frees the lock when the process ends, however it ends.
type storeLock struct {
	file *flock.Flock
	pid  string // path of the file that tells others who holds the lock
}

// lockStore makes the directory if it is missing and locks it without waiting.
func lockStore(dir string) (*storeLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	l := &storeLock{file: flock.New(filepath.Join(dir, lockName)), pid: filepath.Join(dir, pidName)}
	locked, err := l.file.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock store %s: %w", dir, err)
	}
	if !locked {
		return nil, fmt.Errorf("lock store %s: a server of %s holds it", dir, l.holder())
	}
	// The pid has a file of its own because on some systems closing a second
	// handle on the lock file would free it, and on others none can be opened.
	if err := os.WriteFile(l.pid, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("lock store: %w", err), l.release())
	}
	return l, nil
}

// holder names the process that holds the lock, as far as it can be known.
func (l *storeLock) holder() string {
	text, err := os.ReadFile(l.pid)
	pid := strings.TrimSpace(string(text))
	if _, bad := strconv.Atoi(pid); err != nil || bad != nil {
		return "another process"
	}
	return "process " + pid
}

// release frees the lock. The lock file stays: removing it would let two
// processes each lock a file of that name.
func (l *storeLock) release() error {
	_ = os.Remove(l.pid)
	if err := l.file.Unlock(); err != nil {
		return fmt.Errorf("unlock store: %w", err)
	}
	return nil
}
