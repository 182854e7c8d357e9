package storage

import (
	"bytes"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestBytesAreCountedOnce(t *testing.T) {
	const size = minPart + 1000 // two parts: both kinds of hashing
	for name, open := range map[string]func(*Counts) Store{
		"server": func(c *Counts) Store { return openServer(t, func(cfg *Config) { cfg.Counts = c }) },
		"server under a cap": func(c *Counts) Store {
			return openServer(t, func(cfg *Config) { cfg.Counts, cfg.UploadBytesPerSecond, cfg.DownloadBytesPerSecond = c, 1<<40, 1<<40 })
		},
		"local folder": func(c *Counts) Store {
			s, err := Open(t.Context(), Config{Type: contract.StorageLocal, LocalDir: t.TempDir(), Counts: c})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c Counts
			s := open(&c)
			if _, err := s.Put(t.Context(), "a", bytes.NewReader(noise(size)), size, nil); err != nil {
				t.Fatal(err)
			}
			read(t, s, "a", 1000, 5000, "")
			if up, down := c.Sent.Load(), c.Received.Load(); up != size || down != 5000 {
				t.Errorf("%d bytes up and %d down, want %d and 5000", up, down, size)
			}
		})
	}
}
