package config

import (
	"slices"
	"strings"
)

// Description is what the reference says of one variable.
type Description struct {
	Name, Required, Default, Takes, Example, Meaning string
	Secret                                           bool
}

// Describe finds a variable by its name, in whatever case; NAME_FILE is that of a
// secret NAME.
func Describe(name string) (Description, bool) {
	name = strings.ToUpper(name)
	i := slices.IndexFunc(variables(), func(v variable) bool { return name == v.name || v.secret && name == v.name+"_FILE" })
	if i < 0 {
		return Description{}, false
	}
	v := variables()[i]
	return Description{v.name, v.required(), v.fallback, v.expected(), v.example, v.desc, v.secret}, true
}

// Names lists every variable, in the order of the reference.
func Names() []string {
	names := make([]string, 0, len(variables()))
	for _, v := range variables() {
		names = append(names, v.name)
	}
	return names
}
