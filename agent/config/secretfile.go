package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"
)

// maxSecretFile bounds what is read of a secret's file, bytes.
const maxSecretFile = 64 << 10

// ReadSecretFile reads a secret from a file.
func ReadSecretFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecretFile {
		return "", fmt.Errorf("%s is longer than 64 KiB", path)
	}
	text, err := secretText(b)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// secretText is the secret in what a file or a variable holds. The white space
// around it that editors and kubectl leave is no part of it, nor is a UTF-8 mark;
// what could never be sent as a header is refused here, where it can be named, and
// not as a network error later. The errors show nothing of the secret.
func secretText(b []byte) (string, error) {
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		return "", errors.New("it is UTF-16: save it as UTF-8")
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	if len(text) == 0 {
		return "", errors.New("it is empty")
	}
	if n := bytes.Count(text, []byte{0}); n > 0 {
		if n >= len(text)/2-1 {
			return "", errors.New("it is UTF-16: save it as UTF-8")
		}
		return "", errors.New("it holds a NUL byte")
	}
	if bytes.ContainsAny(text, "\r\n") {
		return "", fmt.Errorf("it has %d lines", 1+bytes.Count(text, []byte("\n")))
	}
	if i := bytes.IndexFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\ufeff' }); i >= 0 {
		return "", fmt.Errorf("byte %d is a control character", i+1)
	}
	if !utf8.Valid(text) {
		return "", errors.New("it is not UTF-8")
	}
	return string(text), nil
}
