package publish

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Key signs what the hub publishes.
type Key struct{ private ed25519.PrivateKey }

const pemType = "PRIVATE KEY"

// OpenKey reads the key of a file (PKCS #8 in PEM), and makes one where there is none.
func OpenKey(path string) (*Key, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the signing key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("%s is no signing key: it must be an ed25519 key (PKCS #8) in PEM, as `openssl genpkey -algorithm ed25519` makes one", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is no ed25519 key: `openssl genpkey -algorithm ed25519` makes one (%w)", path, err)
	}
	return &Key{private}, nil
}

func makeKey(path string) (_ *Key, err error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("making the signing key: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	err = pem.Encode(file, &pem.Block{Type: pemType, Bytes: der})
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, fmt.Errorf("making the signing key: %w", err)
	}
	return &Key{private}, os.Rename(file.Name(), path)
}

// Public is the key that others verify with.
func (k *Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// ID is the SHA-256 of the public key, hexadecimal.
func (k *Key) ID() string {
	sum := sha256.Sum256(k.Public())
	return hex.EncodeToString(sum[:])
}

func (k *Key) sign(message []byte) []byte { return ed25519.Sign(k.private, message) }
