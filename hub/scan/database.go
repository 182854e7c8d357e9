package scan

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// Database is a file of advisories that is fetched anew while the hub runs.
type Database struct {
	Path string

	mu      sync.Mutex
	changed time.Time // of the file that was read
	read    *Advisories
}

// Current reads the file when it is another one than before.
func (d *Database) Current() (*Advisories, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	info, err := os.Stat(d.Path)
	if err != nil {
		return nil, fmt.Errorf("opening the vulnerability data: %w", err)
	}
	if d.read != nil && info.ModTime().Equal(d.changed) {
		return d.read, nil
	}
	a, err := ReadAdvisories(d.Path)
	if err == nil {
		d.read, d.changed = a, info.ModTime()
	}
	return a, err
}
