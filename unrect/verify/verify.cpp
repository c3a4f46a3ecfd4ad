namespace unrect {}
