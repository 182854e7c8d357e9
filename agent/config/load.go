package config

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/vision-platform/trainer-agent/contract"
)

// Config is the environment as the agent understands it.
type Config struct {
	Environment
	Job       contract.Job
	TokenFile string // CALLBACK_TOKEN_FILE, read again on a 401; may be empty
	set       map[string]bool
}

// Load reads the process's environment. It returns the configuration as far as
// it could be understood, with every problem found: errors and warnings. An
// empty value counts as unset, and is unset.
func Load() (*Config, []Problem) {
	c := &Config{set: map[string]bool{}, TokenFile: os.Getenv("CALLBACK_TOKEN_FILE")}
	var problems []Problem
	target := reflect.ValueOf(&c.Environment).Elem()
	for _, v := range variables() {
		if os.Getenv(v.name) == "" {
			_ = os.Unsetenv(v.name) // so that envconfig applies the default
		}
		if p := v.load(c, target.FieldByIndex(v.field.Index)); p != nil {
			problems = append(problems, *p)
		}
	}
	c.resolve()
	problems = append(problems, c.missing(problems)...)
	problems = append(problems, withoutEchoes(c.contradictions(), problems)...)
	problems = append(problems, misspellings(os.Environ())...)
	c.Job = c.job()
	return c, problems
}

// withoutEchoes leaves out what is said of variables that are wrong already: what is
// judged there is not what somebody wrote.
func withoutEchoes(list, before []Problem) []Problem {
	return slices.DeleteFunc(list, func(p Problem) bool {
		return slices.ContainsFunc(before, func(b Problem) bool { return b.Variable == p.Variable && !b.Warning })
	})
}

// load fills one field. Going through envconfig field by field, not struct by
// struct, is what lets every problem be reported: envconfig stops at its first.
func (v variable) load(c *Config, field reflect.Value) *Problem {
	raw, isSet := os.LookupEnv(v.name)
	if path := os.Getenv(v.name + "_FILE"); v.secret && !isSet && path != "" {
		return v.loadFile(c, path, field)
	}
	if path := os.Getenv(v.name + "_FILE"); v.secret && isSet && path != "" {
		return &Problem{Variable: v.name, Value: "***", Expected: "no " + v.name + "_FILE beside it: keep one of them, the file where it is rotated"}
	}
	c.set[v.name] = isSet
	if !isSet && field.Kind() == reflect.Pointer {
		return nil // envconfig would make a zero value: AGENT_RUN_AS=0:0, say, where nobody asked for it
	}
	one := reflect.New(reflect.StructOf([]reflect.StructField{v.field}))
	if err := envconfig.Process("", one.Interface()); err != nil {
		return v.problem(raw).because(err)
	}
	field.Set(one.Elem().Field(0))
	if v.secret && isSet {
		text, err := secretText([]byte(raw))
		if err != nil {
			return &Problem{Variable: v.name, Value: "***", Expected: "a secret in one line of UTF-8 (" + err.Error() + ")", Example: v.example}
		}
		field.Set(reflect.ValueOf(NewSecret(text)))
	}
	if !isSet || v.allows(field, raw) {
		return nil
	}
	return v.problem(raw)
}

// loadFile reads NAME_FILE: at most 64 KiB, without the trailing newline that
// editors and kubectl leave.
func (v variable) loadFile(c *Config, path string, field reflect.Value) *Problem {
	text, err := ReadSecretFile(path)
	if err != nil {
		return &Problem{Variable: v.name + "_FILE", Value: path, Expected: "a readable file of at most 64 KiB that holds the secret in one line of UTF-8 (" + err.Error() + ")", Example: "/var/run/secrets/" + strings.ToLower(v.name)}
	}
	c.set[v.name] = true
	field.Set(reflect.ValueOf(NewSecret(text)))
	return nil
}

func (v variable) problem(raw string) *Problem {
	if v.secret {
		raw = "***"
	} else if v.field.Type == reflect.TypeFor[BaseURL]() {
		raw = withoutPassword(raw)
	}
	return &Problem{Variable: v.name, Value: raw, Expected: v.expected(), Example: v.example}
}

// because adds why a value was not understood, where the value's own parser says it
// in words that are meant for people.
func (p *Problem) because(err error) *Problem {
	parse, ok := errors.AsType[*envconfig.ParseError](err)
	if !ok {
		return p
	}
	if why, ok := errors.AsType[reason](parse.Err); ok {
		p.Expected += " (" + strings.ReplaceAll(why.Error(), "\n", "; ") + ")"
	}
	return p
}

// withoutPassword masks what an address, a valid one or not, may hold of secrets:
// user and password, and the query.
func withoutPassword(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "", address
	} else {
		scheme += "://"
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = "***" + rest[at:]
	}
	if before, _, found := strings.Cut(rest, "?"); found {
		rest = before + "?***"
	}
	return scheme + rest
}

// allows checks options, pattern and range of a value that parsed.
func (v variable) allows(field reflect.Value, raw string) bool {
	if len(v.options) > 0 && !slices.Contains(v.options, raw) {
		return false
	}
	if v.pattern != nil && !v.pattern().MatchString(raw) {
		return false
	}
	if !decimal(v.field.Type, raw) {
		return false
	}
	if v.min == "" && v.max == "" {
		return true
	}
	n, ok := number(field)
	return ok && (v.min == "" || aboveMin(n, v.min)) && (v.max == "" || n <= bound(v.max))
}

var (
	wholeNumber = regexp.MustCompile(`^[+-]?(?:0|[1-9][0-9]*)$`)
	anyNumber   = regexp.MustCompile(`^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$`)
)

// decimal refuses 010, 0x10 and 1_000, which Go reads as 8, 16 and 1000, and a trainer
// otherwise or not at all.
func decimal(kind reflect.Type, raw string) bool {
	text := strings.TrimSpace(raw)
	switch {
	case kind.PkgPath() != "": // a type of its own, with words of its own
		return true
	case kind.Kind() == reflect.Float64:
		return anyNumber.MatchString(text)
	case kind.Kind() == reflect.Int, kind.Kind() == reflect.Int64:
		return wholeNumber.MatchString(text)
	}
	return true
}

func number(field reflect.Value) (float64, bool) {
	switch {
	case field.CanInt():
		return float64(field.Int()), true
	case field.CanFloat():
		f := field.Float()
		return f, f == f && f-f == 0 // neither NaN nor infinite
	}
	return 0, false
}

func aboveMin(n float64, text string) bool {
	if rest, strict := strings.CutPrefix(text, ">"); strict {
		return n > bound(rest)
	}
	return n >= bound(text)
}

// bound reads a tag's number, or its duration as nanoseconds.
func bound(text string) float64 {
	if d, err := time.ParseDuration(text); err == nil {
		return float64(d)
	}
	f, _ := strconv.ParseFloat(text, 64) // tags are checked by a test
	return f
}

// newTraceID is 16 bytes in hex, the size of a W3C trace id: of the job, so that all of
// its machines and retries are one trace, or random where the job has no name.
func newTraceID(jobID string) string {
	if jobID != "" {
		sum := sha256.Sum256([]byte("trainer-agent job " + jobID))
		return hex.EncodeToString(sum[:16])
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return hex.EncodeToString(b[:])
}
