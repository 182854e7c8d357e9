package outbox

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
)

const (
	keyName  = "key" // the file with the wrapped key
	sealSize = 16    // bytes of a MAC: HMAC-SHA-256, cut
	maxWraps = 8     // secrets that open the key, the newest
)

// A seal authenticates what the outbox has on disk, which the training script may
// be able to write to: the record of a message with its sequence and kind, the final
// message and its mark, and the lines of what was put aside.
//
// The key is random, made with the store, and lies beside it once for each secret
// of the agent, encrypted by it: one who has one of them opens the key, and a token
// that is rotated costs nothing as long as another secret, or the old token, is
// there (docs/decisions/0026).
type seal struct {
	job  string
	path string
	key  []byte

	mu    sync.Mutex
	wraps [][]byte // newest last
}

// openSeal opens the key in dir, or makes one. known is false when there was a key
// that none of the secrets opens, or none although the folder has messages: then
// what is there cannot be told from what somebody else wrote.
func openSeal(dir, job string, secrets []string) (s *seal, known bool, err error) {
	s = &seal{job: job, path: filepath.Join(dir, keyName)}
	wraps, err := readWraps(s.path)
	if err != nil {
		return nil, false, err
	}
	for _, w := range wraps {
		for _, secret := range secrets {
			if key, ok := s.unwrap(w, secret); ok {
				s.key, s.wraps = key, wraps
				return s, true, s.admit(secrets...)
			}
		}
	}
	if info, err := os.Lstat(s.path); err == nil && info.IsDir() { // a planted one, which no file replaces
		if err := os.RemoveAll(s.path); err != nil {
			return nil, false, fmt.Errorf("making the outbox's key: %w", err)
		}
	}
	s.key = make([]byte, sha256.Size)
	_, _ = rand.Read(s.key) // never fails, see crypto/rand
	return s, false, s.admit(secrets...)
}

// readWraps reads the key's file. One that is not there, or is not ours, opens for nobody.
func readWraps(path string) (wraps [][]byte, err error) {
	b, err := readBounded(path, 64<<10)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, spool.ErrDamaged) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the outbox's key: %w", err)
	}
	if !json.Valid(b) {
		return nil, nil // damaged: as if there were none
	}
	if err := json.Unmarshal(b, &wraps); err == nil && len(wraps) <= maxWraps {
		return wraps, nil
	}
	return nil, nil
}

// admit lets these secrets open the key from now on.
func (s *seal) admit(secrets ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := false
	for _, secret := range secrets {
		opens := func(w []byte) bool { _, ok := s.unwrap(w, secret); return ok }
		if secret == "" || slices.ContainsFunc(s.wraps, opens) {
			continue
		}
		w, err := s.wrap(secret)
		if err != nil {
			return err
		}
		s.wraps = append(s.wraps, w)
		changed = true
	}
	if !changed {
		return nil
	}
	s.wraps = s.wraps[max(0, len(s.wraps)-maxWraps):]
	b, err := json.Marshal(s.wraps)
	if err == nil {
		err = atomicfile.Write(s.path, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("storing the outbox's key: %w", err)
	}
	return nil
}

func (s *seal) cipher(secret string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "trainer-agent outbox key "+s.job, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (s *seal) wrap(secret string) ([]byte, error) {
	c, err := s.cipher(secret)
	if err != nil {
		return nil, fmt.Errorf("wrapping the outbox's key: %w", err)
	}
	return c.Seal(nil, nil, s.key, nil), nil
}

func (s *seal) unwrap(wrapped []byte, secret string) (key []byte, ok bool) {
	c, err := s.cipher(secret)
	if err != nil || secret == "" || len(wrapped) < c.Overhead() {
		return nil, false
	}
	key, err = c.Open(nil, nil, wrapped, nil)
	return key, err == nil && len(key) == sha256.Size
}

// sum is the MAC of the parts, as what they are and under which number.
func (s *seal) sum(as string, seq uint64, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, s.key)
	write := func(b []byte) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(b))) // so that no two lists of parts look alike
		_, _ = h.Write(b)
	}
	write([]byte(as))
	_ = binary.Write(h, binary.BigEndian, seq)
	for _, p := range parts {
		write(p)
	}
	return h.Sum(nil)[:sealSize]
}

// holds reports whether the MAC is that of the parts.
func (s *seal) holds(mac []byte, as string, seq uint64, parts ...[]byte) bool {
	return hmac.Equal(mac, s.sum(as, seq, parts...))
}
