# By the ID of the reservation, which is not the external ID.
terraform import rolebroker_external_id.production ext_6ycq7w3kd2mzt4hnx5vpjb8rqa
