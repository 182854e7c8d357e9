package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	prefix = "trainer-"
	// maxName leaves room for the index of a pod: its host name, NAME-INDEX, is a
	// DNS label, which has 63 characters at most (RFC 1123).
	maxName = 52
	// hashDigits tell apart the ids that look alike in a name.
	hashDigits = 10
)

// Name is the name of a job's Kubernetes objects, the same for the same id. An id
// that a DNS label cannot hold as it is, such as A.b, gets the hash of itself
// behind its readable part; so does one that ends as if it had one already.
// Therefore no two ids share a name, but for a collision of hashes.
func Name(jobID string) string {
	name := prefix + strings.Map(labelRune, jobID)
	if name == prefix+jobID && len(name) <= maxName && !strings.HasSuffix(name, "-") && !hashed(name) {
		return name
	}
	sum := sha256.Sum256([]byte(jobID))
	readable := strings.TrimRight(name[:min(len(name), maxName-1-hashDigits)], "-")
	return readable + "-" + hex.EncodeToString(sum[:])[:hashDigits]
}

// labelRune is what a character of an id becomes; every one is ASCII.
func labelRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return r
	case r >= 'A' && r <= 'Z':
		return r - 'A' + 'a'
	}
	return '-'
}

// hashed reports whether a name ends as those with a hash do.
func hashed(name string) bool {
	at := strings.LastIndexByte(name, '-')
	return len(name)-at-1 == hashDigits && strings.Trim(name[at+1:], "0123456789abcdef") == ""
}
