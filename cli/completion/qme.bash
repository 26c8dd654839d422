# Completion of qme for bash 3.2 or newer. It needs no other package.

_qme() {
    local program=${COMP_WORDS[0]} rest=${COMP_LINE:0:COMP_POINT} piece blank i
    local -a words=() starts=()
    [[ $program == */* ]] || program=qme
    program=${program/#\~\//$HOME/}

    # bash splits words also at characters such as = and @, as COMP_WORDBREAKS has
    # them. What stands together is one word; starts says where it began.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        blank=${rest%%[![:space:]]*}
        rest=${rest#"$blank"}
        if ((i == COMP_CWORD)) && [[ $piece == "$rest"* ]]; then
            piece=$rest # up to the cursor
        fi
        if ((i > 0)) && [[ -z $blank && $rest == "$piece"* ]]; then
            words[${#words[@]} - 1]+=$piece
        else
            words+=("$piece")
            starts+=("$i")
        fi
        rest=${rest#"$piece"}
    done

    local answer cur=${words[${#words[@]} - 1]}
    COMPREPLY=()
    answer=$("$program" __complete "${words[@]:1}" 2>/dev/null) || return 0
    case ${answer%%$'\n'*} in
        dirs) _qme_paths -d "$cur" ;;
        files) _qme_paths -f "$cur" ;;
        command*)
            i=${answer#command }
            _qme_command "${starts[${i%%$'\n'*}]}" "$cur"
            ;;
        words) _qme_words "$answer" "$cur" ;;
    esac
}

_qme_paths() {
    local IFS=$'\n' i
    COMPREPLY=($(compgen "$1" -- "$2"))
    # bash quotes what is a name of a file, where it can be told so.
    compopt -o filenames 2>/dev/null && return
    for i in "${!COMPREPLY[@]}"; do
        printf -v "COMPREPLY[$i]" %q "${COMPREPLY[i]}"
    done
}

# The command that is to be run completes as it does without qme, as far as bash
# knows how.
_qme_command() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif (($1 == COMP_CWORD)); then
        local IFS=$'\n'
        COMPREPLY=($(compgen -c -- "$2"))
    fi
}

_qme_words() {
    local line value taken=${2##*["$COMP_WORDBREAKS"]} longest=0 i
    local -a notes=()
    # bash replaces what follows the last break in the word; a @ it replaces, too.
    taken=${2%"$taken"}
    taken=${taken%[@]}
    # There are no file names here, and the newest task is first.
    compopt +o default +o bashdefault 2>/dev/null
    compopt -o nosort 2>/dev/null
    while IFS= read -r line; do
        value=${line%%$'\t'*}
        COMPREPLY+=("${value#"$taken"}")
        notes+=("${line#*$'\t'}")
        ((${#value} > longest)) && longest=${#value}
    done <<<"${1#words}"
    # The first line is the rest of that of "words".
    COMPREPLY=("${COMPREPLY[@]:1}")
    notes=("${notes[@]:1}")
    # The value of a field follows it without a blank.
    [[ ${COMPREPLY[0]:-} == *: ]] && compopt -o nospace 2>/dev/null
    # 63 is ?: bash only lists.
    if [[ ${COMP_TYPE:-} == 63 && ${#COMPREPLY[@]} -gt 1 ]]; then
        for i in "${!COMPREPLY[@]}"; do
            printf -v line '%-*s  %s' "$longest" "${COMPREPLY[i]}" "${notes[i]}"
            COMPREPLY[i]=${line:0:${COLUMNS:-80} - 1}
        done
    fi
    return 0
}

complete -o bashdefault -o default -F _qme qme
