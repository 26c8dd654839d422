#compdef qme
# Completion of qme for zsh.

_qme() {
	local program=qme line value
	local -a answer values texts shown joined
	local -i width i
	[[ ${words[1]} == */* ]] && program=${(Q)~words[1]}
	answer=("${(@f)$($program __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
	case ${answer[1]} in
	(dirs) _files -/ ;;
	(files) _files ;;
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
			values+=("$value")
			texts+=("${line#*$'\t'}")
			(( ${#value} > width )) && width=${#value}
		done
		# In their order, the latest first, each on its line and as it is: _describe would
		# put those of equal descriptions together, and take backslashes and colons out.
		for (( i = 1; i <= ${#values}; i++ )); do
			line="${(r:width:)values[i]}  ${texts[i]:+-- ${texts[i]}}"
			shown+=("${line[1,COLUMNS - 1]}")
		done
		# The value of a field follows it without a blank.
		[[ ${values[1]} == *: ]] && joined=(-S '')
		(( ${#values} )) && compadd "${joined[@]}" -l -V values -d shown -a values
		;;
	esac
}

# In a file of $fpath this text is the function's first call.
if [[ ${funcstack[1]} == _qme ]]; then
	_qme "$@"
else
	compdef _qme qme
fi
