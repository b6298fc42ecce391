"""Card transactions and their chargebacks, imported as tables night by night."""
