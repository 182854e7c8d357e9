# bash completion of trainer-agent
_trainer_agent() {
    local current="${COMP_WORDS[COMP_CWORD]}" line word IFS=$'\n'
    COMPREPLY=()
    [[ $current == "=" ]] && current=""
    while read -r line; do
        case $line in
            :files) COMPREPLY+=($(compgen -f -- "$current")); compopt -o filenames 2>/dev/null ;;
            :folders) COMPREPLY+=($(compgen -d -- "$current")); compopt -o filenames 2>/dev/null ;;
            :program) COMPREPLY+=($(compgen -c -- "$current")) ;;
            :*) ;;
            *) word="${line%%$'\t'*}"; COMPREPLY+=("$word") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _trainer_agent trainer-agent
