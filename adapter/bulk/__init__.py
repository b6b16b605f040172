"""A hospital's export, of any size, into one assessment per patient: read and assessed as ever, in little memory."""
