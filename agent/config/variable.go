package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
)

// variable is one field of Environment with what its tags say.
type variable struct {
	field    reflect.StructField
	name     string
	group    string
	need     []string
	also     []string
	fallback string // the default
	min, max string
	options  []string
	pattern  func() *regexp.Regexp // compiled when it is first asked: 2 ms for 128 characters
	expect   string
	example  string
	desc     string
	secret   bool
}

// variables are read at first use: a command without a job starts sooner.
var variables = sync.OnceValue(readVariables)

func readVariables() []variable {
	t := reflect.TypeFor[Environment]()
	list := make([]variable, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		v := variable{
			field: t.Field(i), name: tag.Get("envconfig"), group: tag.Get("group"),
			need: words(tag.Get("need")), also: words(tag.Get("also")), fallback: tag.Get("default"),
			min: tag.Get("min"), max: tag.Get("max"), options: words(tag.Get("options")),
			expect: tag.Get("expect"), example: tag.Get("example"), desc: tag.Get("desc"),
			secret: t.Field(i).Type == reflect.TypeFor[Secret](),
		}
		if p := tag.Get("pattern"); p != "" {
			v.pattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(p) })
		}
		list = append(list, v)
	}
	return list
}

func words(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// expected says in words what the variable takes.
func (v variable) expected() string {
	if len(v.options) > 0 {
		return "one of " + strings.Join(v.options, ", ")
	}
	if v.expect != "" {
		return v.expect
	}
	kind := map[string]string{
		"int": "a whole number", "float64": "a number", "bool": "true or false",
		"time.Duration": "a duration such as 30s, 10m or 2h",
	}[v.field.Type.String()]
	if kind == "" {
		return "a value"
	}
	switch {
	case v.min == ">0":
		return kind + " greater than 0"
	case v.min != "" && v.max != "":
		return kind + " from " + v.min + " to " + v.max
	case v.min != "":
		return kind + " of at least " + v.min
	}
	return kind
}

// required lists the situations in which the variable must be set, in words.
func (v variable) required() string {
	if slices.Contains(v.need, "always") {
		return "yes"
	}
	return strings.ReplaceAll(strings.Join(v.need, ", "), "local", "STORAGE_TYPE=local")
}

// serves reports whether a job of this kind, on so many machines, has use for the variable.
func (v variable) serves(kind contract.JobType, nodes int) bool {
	switch v.group {
	case "training", "inference", "export":
		return v.group == string(kind) || slices.Contains(v.also, string(kind))
	case "nodes":
		return nodes > 1
	}
	return true
}
