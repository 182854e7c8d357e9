package output

import (
	"encoding/json"
	"io"
	"net/url"
	"strings"
)

// Mask stands for a secret in all output.
const Mask = "***"

// MinSecret is the shortest secret that is masked, in bytes: masking shorter ones
// would make every log unreadable and tell the secret by its gaps.
const MinSecret = 4

// Masker replaces secrets in a stream, also where one is cut by the border between
// two writes. Every byte that belongs to an occurrence of any secret is masked;
// occurrences that overlap or touch become one Mask. It holds back only what may
// still turn out to be the beginning of a secret.
type Masker struct {
	w       io.Writer
	match   *automaton
	state   int32
	pending []byte
	secret  []bool // of the same length: the byte belongs to a secret
	masking bool   // the last byte written was a secret's
	out     []byte
}

// NewMasker masks the secrets as they are and as they look in JSON and in URLs.
func NewMasker(w io.Writer, secrets []string) *Masker {
	return &Masker{w: w, match: newAutomaton(spellings(secrets))}
}

func spellings(secrets []string) []string {
	var all []string
	for _, s := range secrets {
		s = strings.TrimSpace(s)
		if len(s) < MinSecret {
			continue
		}
		quoted, _ := json.Marshal(s) // a string always encodes
		all = append(all, s, strings.Trim(string(quoted), `"`), url.QueryEscape(s), url.PathEscape(s))
	}
	return all
}

// Write passes on what is certainly no beginning of a secret.
func (m *Masker) Write(b []byte) (int, error) {
	if m.match.empty() {
		return m.w.Write(b)
	}
	for _, c := range b {
		m.pending = append(m.pending, c)
		m.secret = append(m.secret, false)
		m.state = m.match.next(m.state, c)
		end := len(m.secret)
		for i := end - m.match.found(m.state); i < end; i++ {
			m.secret[i] = true
		}
	}
	// The state is the longest end of the stream that begins a secret: anything
	// before it is decided.
	if err := m.pass(len(m.pending) - m.match.depth(m.state)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close passes on what was held back. It does not close the writer.
func (m *Masker) Close() error {
	m.state = 0
	return m.pass(len(m.pending))
}

func (m *Masker) pass(n int) error {
	m.out = m.out[:0]
	for i, c := range m.pending[:n] {
		switch {
		case !m.secret[i]:
			m.out = append(m.out, c)
		case !m.masking:
			m.out = append(m.out, Mask...)
		}
		m.masking = m.secret[i]
	}
	m.pending = m.pending[:copy(m.pending, m.pending[n:])]
	m.secret = m.secret[:copy(m.secret, m.secret[n:])]
	if len(m.out) == 0 {
		return nil
	}
	_, err := m.w.Write(m.out)
	return err
}
