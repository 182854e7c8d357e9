package dataset

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/dataset/ziptree"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestDiskIsMeasuredBeforeTheFirstByte(t *testing.T) {
	for name, c := range map[string]struct {
		free Space
		says string
	}{
		"bytes":  {Space{Bytes: 100_000, Files: -1}, "and 97.7 KiB is free"},
		"inodes": {Space{Bytes: 1 << 40, Files: 10}, "room for 10 more"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := Fetch(t.Context(), zipBucket(t, shapes()), Request{ID: "d1", Dir: dir, Space: func(string) (Space, error) { return c.free, nil }})
			f, ok := errors.AsType[*contract.Failure](err)
			if !ok || f.Code != contract.CodeDiskFull || !strings.Contains(f.Line(), c.says) {
				t.Errorf("error %v", err)
			}
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
				if strings.Contains(path, "images") {
					t.Errorf("written: %s", path)
				}
				return nil
			})
		})
	}
}

func TestFullDiskMakesTheCacheGiveUpOldDatasets(t *testing.T) {
	shared := t.TempDir()
	b := zipBucket(t, shapes())
	b.objects["datasets/old.zip"] = zipOf(t, files{"a": strings.Repeat("x", 5_000_000)})
	old := fetch(t, b, Request{ID: "old", CacheDir: shared})
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	space := func(string) (Space, error) {
		if _, err := os.Stat(old.Dir); err == nil {
			return Space{Bytes: 1000, Files: -1}, nil
		}
		return Space{Bytes: 1 << 30, Files: -1}, nil
	}
	d := fetch(t, b, Request{CacheDir: shared, Space: space})
	wantTree(t, d.Dir, shapes())
}

// Of a cache that trainings can write to each job has a copy, and nobody else makes room.
func TestFullDiskMakesAGuardedCacheGiveUpOldDatasets(t *testing.T) {
	shared := t.TempDir()
	b := zipBucket(t, shapes())
	b.objects["datasets/old.zip"] = zipOf(t, files{"a": strings.Repeat("x", 5_000_000)})
	guard := func(secret string) Guard { return Guard{Open: func() bool { return true }, Secret: secret} }
	entries := func() []string {
		list, err := filepath.Glob(filepath.Join(shared, "*", "entry.json"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	fetch(t, b, Request{ID: "old", CacheDir: shared, CacheGuard: guard("the key of yesterday's job")})
	old := entries()
	if len(old) != 1 {
		t.Fatal(old)
	}
	space := func(string) (Space, error) {
		if _, err := os.Stat(old[0]); err == nil {
			return Space{Bytes: 1000, Files: -1}, nil
		}
		return Space{Bytes: 1 << 30, Files: -1}, nil
	}
	d := fetch(t, b, Request{CacheDir: shared, CacheGuard: guard("the key of today's job"), Space: space})
	wantTree(t, d.Dir, shapes())
	if left := entries(); len(left) != 1 || left[0] == old[0] {
		t.Errorf("%v, was %v", left, old)
	}
}

// The cache may lie on another disk than the workspace.
func TestACopyIsGivenToTheCacheWhereItsOwnDiskHasRoom(t *testing.T) {
	const little, much = 2_000_000, 1 << 40 // the dataset has 1.6 MB
	for name, c := range map[string]struct {
		own, shared int64
		given       bool
	}{"room in the cache": {little, much, true}, "a full cache": {much, little, false}} {
		t.Run(name, func(t *testing.T) {
			shared := filepath.Join(t.TempDir(), "shared")
			space := func(dir string) (Space, error) {
				if strings.HasPrefix(dir, shared) {
					return Space{Bytes: c.shared, Files: -1}, nil
				}
				return Space{Bytes: c.own, Files: -1}, nil
			}
			guard := Guard{Open: func() bool { return true }, Secret: "a secret key of a bucket"}
			d := fetch(t, zipBucket(t, shapes()), Request{CacheDir: shared, CacheGuard: guard, Space: space})
			wantTree(t, d.Dir, shapes())
			entries, err := filepath.Glob(filepath.Join(shared, "*", "entry.json"))
			if err != nil || (len(entries) == 1) != c.given {
				t.Errorf("in the cache: %v, %v", entries, err)
			}
		})
	}
}

func TestLimitsOfADataset(t *testing.T) {
	for name, b := range map[string]*bucket{"zip": zipBucket(t, shapes()), "prefix": prefixBucket(shapes())} {
		for _, limits := range []ziptree.Limits{{MaxFiles: 10}, {MaxBytes: 1000}} {
			_, err := Fetch(t.Context(), b, Request{ID: "d1", Dir: t.TempDir(), Limits: limits})
			if f, ok := errors.AsType[*contract.Failure](err); !ok || f.Code != contract.CodeDatasetTooLarge {
				t.Errorf("%s %+v: %v", name, limits, err)
			}
		}
	}
}

func TestDamagedCacheInUseGivesTheJobItsOwnCopy(t *testing.T) {
	shared, want := t.TempDir(), shapes()
	b := zipBucket(t, want)
	first := fetch(t, b, Request{CacheDir: shared})
	unseal(t, shared)
	if err := os.Remove(filepath.Join(first.Dir, "images/000.jpg")); err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	d := fetch(t, b, Request{CacheDir: shared, Dir: own})
	wantTree(t, d.Dir, want)
	if !strings.HasPrefix(d.Dir, own) {
		t.Errorf("the dataset is in %s", d.Dir)
	}
}
