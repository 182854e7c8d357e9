// Package exchange lets jobs of one machine take over what another one has fetched,
// through a folder that their training processes can write to: agent and training are
// one user, and the kernel has no Landlock.
//
// It promises that a file is taken over only with the bytes that an agent with the same
// secret has put there, and that the two folders share no file: whoever changes one
// later changes nothing in the other. It leaves what is kept and what makes room to
// package cache.
package exchange

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
)

// Exchange is such a folder.
type Exchange struct {
	cache *cache.Cache
	key   []byte
}

// shortest is a secret that nobody finds by trying guesses against a list.
const shortest = 16

// New is nil where the secret is none to make a key of. Jobs with the same secret use
// each other's entries.
func New(c *cache.Cache, secret string) *Exchange {
	if len(secret) < shortest {
		return nil
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "trainer-agent dataset cache", sha256.Size)
	if err != nil {
		return nil // the length is right
	}
	return &Exchange{c, key}
}

// Dir is the folder, which is there once something was asked of it.
func (x *Exchange) Dir() string { return x.cache.Dir }

// Free removes the entries that were not used for longest until about so many bytes are
// freed: those of another secret too, which this job could never take over.
func (x *Exchange) Free(need int64) { x.cache.Free("", need) }

// entry is the name of an entry, which differs for every secret: no job finds one that
// it cannot check.
func (x *Exchange) entry(id string) string { return cache.ID("exchange", id, string(x.key)) }

// listName is the file beside an entry's data.
const listName = "sums"

func listFile(data string) string { return filepath.Join(filepath.Dir(data), listName) }

// Take puts a copy of the entry in the place of a folder of the job's own, or leaves that
// as it is. It is fs.ErrNotExist where there is no entry; one that was changed is removed,
// and the error says so.
func (x *Exchange) Take(ctx context.Context, id, into string) (cache.Contents, error) {
	entry, fill, err := x.cache.Begin(ctx, x.entry(id))
	if fill != nil {
		return cache.Contents{}, errors.Join(fs.ErrNotExist, fill.Abort())
	}
	if errors.Is(err, cache.ErrBusy) || errors.Is(err, cache.ErrDamagedInUse) {
		return cache.Contents{}, errors.Join(fs.ErrNotExist, err)
	}
	if err != nil {
		return cache.Contents{}, err
	}
	list, err := x.read(listFile(entry.Dir), id)
	if err == nil {
		err = list.place(ctx, entry.Dir, into)
	}
	if err := errors.Join(err, entry.Close()); err != nil {
		if errors.Is(err, errChanged) {
			x.cache.Discard(x.entry(id))
		}
		return cache.Contents{}, fmt.Errorf("taking over %s: %w", entry.Dir, err)
	}
	return list.contents("the cache"), nil
}

// Give copies what was fetched into a folder of the job's own for others. An entry that
// is there or is being made is left alone.
func (x *Exchange) Give(ctx context.Context, id, from string, contents cache.Contents) error {
	entry, fill, err := x.cache.Begin(ctx, x.entry(id))
	if entry != nil {
		return entry.Close()
	}
	if fill == nil {
		if errors.Is(err, cache.ErrBusy) || errors.Is(err, cache.ErrDamagedInUse) {
			return nil
		}
		return err
	}
	if err := x.fill(ctx, fill, id, from, contents); err != nil {
		return errors.Join(err, os.RemoveAll(fill.Data), fill.Abort())
	}
	entry, err = fill.Commit(ctx, contents)
	if errors.Is(err, cache.ErrForeign) { // only what lies there is committed
		return errors.Join(err, fill.Abort())
	}
	if err != nil {
		return err
	}
	return entry.Close()
}

func (x *Exchange) fill(ctx context.Context, fill *cache.Fill, id, from string, contents cache.Contents) error {
	if err := x.cache.MakeRoom(x.entry(id), contents.Bytes); err != nil {
		return err
	}
	list, err := sumsOf(ctx, from, contents)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(fill.Data); err != nil { // of an interrupted one
		return err
	}
	if err := list.copy(ctx, from, fill.Data); err != nil {
		return err
	}
	return x.write(listFile(fill.Data), id, list)
}
