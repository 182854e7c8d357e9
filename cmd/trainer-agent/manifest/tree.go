package manifest

import (
	"strings"

	"github.com/goccy/go-yaml"
)

// get finds a value by its path of keys, dots between them; nil when absent.
func get(m yaml.MapSlice, path string) any {
	key, rest, deeper := strings.Cut(path, ".")
	for _, item := range m {
		if item.Key != key {
			continue
		}
		if !deeper {
			return item.Value
		}
		inner, _ := item.Value.(yaml.MapSlice)
		return get(inner, rest)
	}
	return nil
}

// set puts a value at a path, making maps on the way.
func set(m yaml.MapSlice, path string, value any) yaml.MapSlice {
	key, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return put(m, key, value)
	}
	inner, _ := get(m, key).(yaml.MapSlice)
	return put(m, key, set(inner, rest, value))
}

func put(m yaml.MapSlice, key string, value any) yaml.MapSlice {
	for i, item := range m {
		if item.Key == key {
			m[i].Value = value
			return m
		}
	}
	return append(m, yaml.MapItem{Key: key, Value: value})
}

func remove(m yaml.MapSlice, key string) yaml.MapSlice {
	var out yaml.MapSlice
	for _, item := range m {
		if item.Key != key {
			out = append(out, item)
		}
	}
	return out
}

// merge lays a patch over a tree as kustomize does for the kinds used here: maps
// by key, lists of named things by name, ports by number, the rest replaced.
func merge(base, patch any) any {
	switch p := patch.(type) {
	case yaml.MapSlice:
		b, ok := base.(yaml.MapSlice)
		if !ok {
			return p
		}
		for _, item := range p {
			b = put(b, item.Key.(string), merge(get(b, escape(item.Key.(string))), item.Value))
		}
		return b
	case []any:
		b, ok := base.([]any)
		if !ok {
			return p
		}
		return mergeLists(b, p)
	}
	return patch
}

// escape: keys with dots (of labels) are no paths; such a key is replaced whole.
func escape(key string) string {
	if strings.Contains(key, ".") {
		return ""
	}
	return key
}

func mergeLists(base, patch []any) []any {
next:
	for _, p := range patch {
		for i, b := range base {
			if id := identity(p); id != nil && id == identity(b) {
				base[i] = merge(b, p)
				continue next
			}
		}
		base = append(base, p)
	}
	return base
}

// identity is what tells the items of a list apart.
func identity(item any) any {
	m, _ := item.(yaml.MapSlice)
	if name := get(m, "name"); name != nil {
		return name
	}
	return get(m, "containerPort")
}
