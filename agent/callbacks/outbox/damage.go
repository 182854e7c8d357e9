package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
)

// replaceStore sets the store aside, which nobody may have open any more, and
// goes on with a new one that has every message of the old one which still
// passes its checksum. Each step is such that a kill between any two of them
// leaves a store that opens.
func (o *Outbox) replaceStore(cause error) error {
	path := filepath.Join(o.dir, storeName)
	s, saved, err := o.salvage(path, path+".new")
	if err != nil {
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	var rest []string
	if errors.Is(cause, spool.ErrOwner) {
		if rest, err = o.setAsideRest(); err != nil {
			s.Abandon()
			return err
		}
	}
	aside, err := o.moveAside(storeName)
	if err != nil {
		s.Abandon()
		return err
	}
	if err := errors.Join(os.Rename(path+".new", path), spool.SyncDir(o.dir)); err != nil {
		s.Abandon()
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	// The new store has its files open by their old names.
	if err := s.Close(); err != nil {
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	if s, err = spool.Open(path, o.opts.JobID); err != nil {
		return fmt.Errorf("replacing the outbox store: %w", err)
	}
	if err := o.take(s); err != nil {
		s.Abandon()
		return err
	}
	// What the damaged store had counted may be lost, and no sequence may repeat.
	o.next = max(o.next, uint64(o.opts.Now().UnixMilli()))
	o.reportDamage(aside, cause.Error(), saved)
	for _, path := range append(rest, aside) {
		o.removeOlder(path)
	}
	return nil
}

// salvage makes a new store with what can be read of the old one.
func (o *Outbox) salvage(from, to string) (s *spool.Spool, saved int, err error) {
	if err := os.RemoveAll(to); err != nil {
		return nil, 0, err
	}
	if s, err = spool.Open(to, o.opts.JobID); err != nil {
		return nil, 0, err
	}
	err = spool.Salvage(from, o.opts.JobID, func(raw spool.Record) {
		raw.Supersedes = 0 // what it superseded is not carried over
		if _, err := decodeRecord(raw); err != nil || raw.Seq < o.done {
			return
		}
		if _, err := s.Write(raw); err == nil {
			saved++
		}
	})
	if err != nil {
		o.log.Warn("the damaged outbox store could not be read to its end", "error", err)
	}
	if err := s.Sync(1); err != nil {
		s.Abandon()
		return nil, 0, err
	}
	return s, saved, nil
}

// setAsideRest keeps what else another job left from being taken for this one's.
func (o *Outbox) setAsideRest() (aside []string, err error) {
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return nil, fmt.Errorf("setting another job's outbox aside: %w", err)
	}
	for _, e := range entries {
		if e.Name() == slotName || e.Name() == rejectedName || strings.HasPrefix(e.Name(), keptPrefix) {
			path, err := o.moveAside(e.Name())
			if err != nil {
				return nil, err
			}
			aside = append(aside, path)
		}
	}
	return aside, nil
}

// maxAside is how many files or folders of one name stay set aside.
const maxAside = 3

// removeOlder removes what was set aside under the same name before path, all but
// the newest: a disk that damages the store again and again must not fill up with
// it. path itself stays, whatever the clock did meanwhile.
func (o *Outbox) removeOlder(path string) {
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		o.log.Warn("what was set aside of the outbox cannot be listed", "error", err)
		return
	}
	made, name, _ := strings.Cut(filepath.Base(path), ".")
	var stamps []string
	for _, e := range entries {
		if stamp, of, _ := strings.Cut(e.Name(), "."); of == name && stamp != made {
			stamps = append(stamps, stamp)
		}
	}
	slices.Sort(stamps) // without the name, "+" sorts behind its stamp
	for _, stamp := range stamps[:max(0, len(stamps)-(maxAside-1))] {
		old := filepath.Join(o.dir, stamp+"."+name)
		if err := os.RemoveAll(old); err != nil {
			o.log.Warn("an old damaged file of the outbox could not be removed", "file", old, "error", err)
			continue
		}
		o.log.Warn("an old damaged file of the outbox was removed: the newest are kept", "file", old, "kept", maxAside)
		o.setAside = slices.DeleteFunc(o.setAside, func(path string) bool { return path == old })
	}
}

// moveAside renames a file or folder to {stamp}.{name}.damaged, or the next such name
// that is free.
func (o *Outbox) moveAside(name string) (string, error) {
	stamp := o.opts.Now().UTC().Format("20060102T150405")
	for i := 0; ; i++ {
		aside := filepath.Join(o.dir, stamp+strings.Repeat("+", i)+"."+name+".damaged")
		if _, err := os.Lstat(aside); err == nil {
			continue
		}
		if err := os.Rename(filepath.Join(o.dir, name), aside); err != nil {
			return "", fmt.Errorf("setting %s of the outbox aside: %w", name, err)
		}
		return aside, nil
	}
}

// finishSetAside completes a replaceStore that a kill interrupted: without a
// store the new one is complete, beside a store it may not be.
func finishSetAside(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(path+".new", path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("completing the outbox store: %w", err)
		}
	}
	return nil
}
