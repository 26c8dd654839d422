#compdef qme
# Completion of qme for zsh.

_qme() {
	local program=qme line value
	local -a answer described
	[[ ${words[1]} == */* ]] && program=${(Q)~words[1]}
	answer=("${(@f)$($program __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
	case ${answer[1]} in
	(dirs) _files -/ ;;
	(command\ *)
		# The command that is to be run completes as it does without qme.
		local -i dropped=${answer[1]#command }
		shift $dropped words
		(( CURRENT -= dropped ))
		_normal
		;;
	(words)
		for line in "${(@)answer[2,-1]}"; do
			value=${line%%$'\t'*}
			described+=("${value//:/\\:}:${line#*$'\t'}")
		done
		# In their order, the newest first.
		_describe -V -t values 'qme' described
		;;
	esac
}

# In a file of $fpath this text is the function's first call.
if [[ ${funcstack[1]} == _qme ]]; then
	_qme "$@"
else
	compdef _qme qme
fi
