package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Mask stands for a secret in all output.
const Mask = "***"

// MinSecret is the shortest secret that is hidden, in bytes: hiding shorter ones
// would make every log unreadable and tell the secret by its gaps.
const MinSecret = 4

// Redactor knows the secrets. It is safe for concurrent use; a nil Redactor knows
// none and still hides the users of URLs.
type Redactor struct {
	match   *automaton
	longest int       // bytes of the longest word
	begins  [256]bool // bytes that begin a word, an escape, or what stands before a URL's user
}

// none knows no secret.
var none = sync.OnceValue(func() *Redactor { return New(nil) })

// New makes a Redactor of the secrets. White space around one does not belong to it.
func New(secrets []string) *Redactor {
	a := newAutomaton(words(secrets))
	r := &Redactor{match: a, longest: a.longest()}
	for c, to := range a.root {
		r.begins[c] = to != 0
	}
	for _, c := range []byte(`%\:/`) {
		r.begins[c] = true
	}
	return r
}

// words are the texts to look for in what is left when escapes are undone: the
// secrets themselves, their base64 forms, and their escaped forms once more for
// what was escaped twice.
func words(secrets []string) []string {
	var all []string
	for _, s := range secrets {
		s = strings.TrimSpace(s)
		if len(s) < MinSecret {
			continue
		}
		quoted, _ := json.Marshal(s) // a string always encodes
		all = append(all, s, strings.ReplaceAll(s, " ", "+"), strings.Trim(string(quoted), `"`), url.QueryEscape(s), url.PathEscape(s))
		all = append(all, encoded(s, base64.RawStdEncoding)...)
		all = append(all, encoded(s, base64.RawURLEncoding)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// encoded are the parts of a base64 text that depend on s alone, for each place
// that s may have in the groups of three bytes ("user:" + s has another than s).
func encoded(s string, encoding *base64.Encoding) (forms []string) {
	for before, mixed := range []int{0, 2, 3} { // characters that hold bits of the bytes before
		text := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + s))
		whole := (before + len(s)) * 8 / 6 // the one after may hold bits of what follows
		if form := text[mixed:whole]; len(form) >= MinSecret {
			forms = append(forms, form)
		}
	}
	return forms
}

// String returns the text without secrets.
func (r *Redactor) String(text string) string {
	if text == "" {
		return text
	}
	return string(r.Bytes([]byte(text)))
}

// Strings redacts each text of a list in place and returns the list.
func (r *Redactor) Strings(texts []string) []string {
	for i, text := range texts {
		texts[i] = r.String(text)
	}
	return texts
}

// Bytes returns the text without secrets; it does not change b.
func (r *Redactor) Bytes(b []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(b))
	w := r.Writer(&out)
	_, _ = w.Write(b) // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

// JSON redacts the strings of a JSON text and leaves it JSON, which cutting a
// secret out of the middle of an escape would not.
func (r *Redactor) JSON(b []byte) []byte {
	if bytes.Equal(r.Bytes(b), b) { // escapes are undone there too: what is not in the text is in none of its strings
		return b
	}
	var out []byte
	kept := 0 // everything before is in out
	for i := 0; i < len(b); {
		if b[i] != '"' {
			i++
			continue
		}
		n := stringLen(b[i:])
		var text string
		if json.Unmarshal(b[i:i+n], &text) == nil {
			if clean := r.String(text); clean != text {
				quoted, _ := json.Marshal(clean) // a string always encodes
				out = append(append(out, b[kept:i]...), quoted...)
				kept = i + n
			}
		}
		i += n
	}
	if kept == 0 {
		return b
	}
	return append(out, b[kept:]...)
}

// stringLen is the length of a JSON string with its quotes, or of all that is there.
func stringLen(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// Error is err with its message redacted; errors.Is and As see through it.
func (r *Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if clean := r.String(text); clean != text {
		return redacted{clean, err}
	}
	return err
}

type redacted struct {
	text string
	err  error
}

func (e redacted) Error() string { return e.text }
func (e redacted) Unwrap() error { return e.err }

// Writer redacts a stream. Close it.
func (r *Redactor) Writer(w io.Writer) *Writer {
	if r == nil {
		r = none()
	}
	out := &Writer{w: w, match: r.match, begins: &r.begins}
	out.percent = newView(percentEscape{}, r)
	out.json = newView(jsonEscape{}, r)
	return out
}
