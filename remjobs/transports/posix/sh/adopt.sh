# Follow what was started earlier; see follow.sh for the words.
if [ -n "$spot" ]; then
    adopt;
else
    echo "remjobs-$key never";
fi;
