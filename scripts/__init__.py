"""Programs that make files of this repository from their sources; tests hold the files to them."""
